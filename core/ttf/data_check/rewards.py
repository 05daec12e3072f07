"""Rewards: whether there is something to plan for, and whether the discount lets it be seen."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ttf.data_check.report import Finding, share
from ttf.plurals import counted

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from ttf.data_check.subject import Subject

RARE = 0.01
"""Share of steps that earn something else than usual, below which rewards are called sparse."""

SEEN = 0.01
"""What a reward must count at the start of an episode to be told from none: the hundredth part, a bin of a hundred."""

COUNTS = 0.1
"""What a suggested discount makes it count: ten bins of a hundred."""

NEAR_SIGHTED = 0.1
"""Steps that values look ahead, by the steps of an episode, below which dense rewards are called cut off. The published
discount of 0.99 with the thousand steps of locomotion is just that, and works."""


def rewards(subject: Subject) -> Iterator[Finding]:
    """Rewards that say nothing, hardly ever something, or nothing in time."""
    if subject.recipe.data.reward_scale == 0:
        return  # they are to count for nothing
    earned = np.concatenate([episode.rewards for episode in subject.episodes])
    usual = _usual(earned)
    rare = float((earned != usual).mean())
    if rare == 0:
        yield Finding(
            "constant-rewards",
            "warning",
            f"every reward is {usual:.4g}",
            "all steps",
            "planners that compare returns have nothing to compare: record rewards, or imitate (decoder.kind "
            "imitation, data.goal)",
        )
    elif rare < RARE:
        yield Finding(
            "sparse-rewards",
            "note",
            f"{share(rare)} of the steps have a reward other than {usual:.4g}",
            counted(int((earned != usual).sum()), "step"),
            "plans are shorter than the way there: values or a critic must tell it (decoder.kind value_guided)",
        )
        yield from _unseen(subject, usual)
    else:
        yield from _near_sighted(subject)


def _usual(earned: NDArray[np.float32]) -> float:
    """The most frequent reward."""
    values, counts = np.unique(earned, return_counts=True)
    return float(values[counts.argmax()])


def _unseen(subject: Subject, usual: float) -> Iterator[Finding]:
    """Whether the discount leaves something of the first rare reward at the start of an episode."""
    discount = subject.recipe.data.discount
    firsts = [np.flatnonzero(episode.rewards != usual)[:1] for episode in subject.episodes]
    steps = int(np.median(np.concatenate(firsts)))
    if discount**steps < SEEN:
        yield Finding(
            "discount",
            "warning",
            f"with a discount of {discount:g}, a reward after {steps:,} steps counts {discount**steps:.1g} of itself "
            "at the start, less than a bin",
            "the median episode that has one",
            f"set data.discount to {_rounded(COUNTS ** (1 / steps))} or more",
        )


def _near_sighted(subject: Subject) -> Iterator[Finding]:
    discount, steps = subject.recipe.data.discount, float(np.median(subject.lengths))
    if discount == 1 or 1 / (1 - discount) >= NEAR_SIGHTED * steps * (1 - 1e-9):
        return
    yield Finding(
        "discount",
        "note",
        f"with a discount of {discount:g}, values look about {1 / (1 - discount):,.0f} steps ahead",
        f"episodes have {steps:,.0f} steps (median)",
        f"set data.discount to {_rounded(1 - 1 / (NEAR_SIGHTED * steps))} or more if what matters comes later",
    )


def _rounded(discount: float) -> str:
    """A discount with as many digits as its distance from 1 needs, rounded up."""
    digits = int(np.ceil(-np.log10(1 - discount))) + 1
    return f"{np.ceil(discount * 10**digits) / 10**digits:.{digits}g}" if discount < 1 else "1"
