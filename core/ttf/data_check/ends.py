"""Ends of episodes: time limits that are recorded as terminations, and ends that were lost."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ttf.data_check.report import Finding, listed, named_episodes
from ttf.plurals import counted

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from ttf.data_check.subject import Subject
    from ttf.interfaces.data import Episode

SAME_END = 3
"""Episodes that must end alike before that says something: two do so by chance."""

JUMP_DEVIATIONS, JUMP_TIMES = 0.7, 5.0
"""A step inside an episode looks like the start of another one where the observation moves by this many standard
deviations, on average over its dimensions, and so many times as far as usual. Unrelated normal observations are 1.13
standard deviations apart, those before and after a reset 0.7 to 1.6 in Hopper; no step of the shipped recipes' data or
of Hopper's goes that far."""

CAP = 1.5
"""Standard deviations that a single dimension counts for at most in such a jump."""

EARLIER = 0.1
"""Share of episodes that must end before the longest one does, where none terminates, to look as if terminations were
lost: an interrupted recording makes one or two."""


def ends(subject: Subject) -> Iterator[Finding]:
    """Ends that look like time limits, or that look lost."""
    limit = subject.setting.step_limit if subject.setting else None
    yield from _limits_as_terminations(subject, limit)
    yield from _missing_ends(subject, limit)
    yield from _resets_inside(subject)


def _limits_as_terminations(subject: Subject, limit: int | None) -> Iterator[Finding]:
    """All terminate at the environment's limit or, where there is none known, all after equally many steps."""
    ended = subject.lengths[subject.terminated]
    at = limit if limit is not None else int(subject.lengths[0])
    alike = int((ended == at).sum())
    enough = 2 * alike > len(ended) if limit is not None else alike == len(subject.lengths)
    if alike >= SAME_END and enough:
        name = (
            f"the time limit of {subject.setting.id}" if limit is not None and subject.setting else "the same for all"
        )
        those = np.flatnonzero(subject.terminated & (subject.lengths == at)).tolist()
        yield Finding(
            "limits-as-terminations",
            "warning",
            f"{alike:,} of {counted(len(ended), 'terminated episode')} end after exactly {at:,} steps, {name}",
            named_episodes([subject.numbers[i] for i in those]),
            "record a time limit as a truncation (a timeout): after a termination, ttf learns that nothing can come",
        )


def _missing_ends(subject: Subject, limit: int | None) -> Iterator[Finding]:
    advice = "mark the last step of every episode as terminated or truncated (terminals or timeouts in a file)"
    longest = int(subject.lengths.max())
    if limit is not None and longest > limit and subject.setting is not None:
        over = [number for number, length in zip(subject.numbers, subject.lengths, strict=True) if length > limit]
        what = f"episodes are longer than {subject.setting.id} lets them be: {longest:,} steps, its limit is {limit:,}"
        yield Finding("missing-ends", "warning", what, named_episodes(over), advice)
    elif len(subject.lengths) == 1:
        what = f"all {longest:,} steps are one episode"
        yield Finding("missing-ends", "warning", what, named_episodes(subject.numbers), advice)
    earlier = subject.lengths[:-1]  # the last one may have been cut off by the recording
    if not subject.terminated.any() and len(earlier) >= SAME_END and (earlier < longest).mean() > EARLIER:
        yield Finding(
            "no-terminations",
            "warning",
            f"no episode terminates, yet they end after {earlier.min():,} to {longest:,} steps",
            f"{(earlier < longest).sum():,} of {len(subject.lengths):,} episodes end before the longest does",
            "if the environment ended them, record terminations: a model cannot learn of ends that are not marked",
        )


def _resets_inside(subject: Subject) -> Iterator[Finding]:
    scale = subject.deviations[subject.deviations > 0]
    if not len(scale):
        return
    moved = [_moved(episode, subject.deviations) for episode in subject.episodes]
    usual = float(np.median(np.concatenate(moved)))
    places = [
        f"step {step + 1} of episode {number}"
        for number, steps in zip(subject.numbers, moved, strict=True)
        for step in np.flatnonzero((steps > JUMP_DEVIATIONS) & (steps > JUMP_TIMES * usual)).tolist()
    ]
    if places and usual > 0:
        yield Finding(
            "reset-inside",
            "warning",
            f"{counted(len(places), 'step')} inside episodes look like the start of another one: everything jumps",
            listed(places),
            "end the episode before such a step; if the environment does jump there, all is well",
        )


def _moved(episode: Episode, deviations: NDArray[np.float64]) -> NDArray[np.float64]:
    """How far every step (T - 1,) goes, in standard deviations on average over the dimensions that vary.

    Each counts for :data:`CAP` at most: where a single one jumps, the world did not begin anew.
    """
    vary = deviations > 0
    steps = np.abs(np.diff(episode.observations[:, vary], axis=0)) / deviations[vary]
    moved: NDArray[np.float64] = steps.clip(max=CAP).mean(axis=1)
    return moved
