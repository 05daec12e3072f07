"""Episodes: which can be used, which are copies, and whether there are enough, and long enough."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import numpy as np

from ttf.data_check.report import Finding, listed, named_episodes, share
from ttf.episode_checks import check_form, check_length, check_widths, fields, named_value
from ttf.episode_hash import content_hash
from ttf.errors import DataError
from ttf.plurals import counted

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from ttf.data_check.subject import Subject
    from ttf.interfaces.data import Episode

SHIPPED_LEAST, SHIPPED_MOST = 120_000, 1_000_000
"""Transitions that the shipped recipes collect: `ant_prediction` the fewest, `antmaze_value_guided` the most.
Below the fewest is a note, as a simpler task needs less; below a tenth of that a warning, as a hundred bins for each of
a dozen columns then see a hundred values each."""

COPIES = 0.1
"""Share of copies from which on they are a warning: about as many of the held-out episodes are trained on. Fewer are a
note; where hindsight gives an episode the same goal twice, in the shipped recipes' data, they are 0.03."""

SHORT_MANY, SHORT_SOME = 0.5, 0.1
"""Shares of episodes that are shorter than a window: a warning if that is most, as padding is then what a model sees
most, a note if it is some."""


def usable(episodes: Sequence[Episode]) -> tuple[list[int], list[Finding]]:
    """Numbers of the episodes that a run would take, and what is wrong with the others."""
    if not episodes:
        advice = "record some; a Minari data set lists them with: minari show ID"
        return [], [Finding("empty", "error", "there are no episodes", "the whole data set", advice)]
    kept, refusals = _sound(range(len(episodes)), lambda number: check_form(number, episodes[number]))
    first = episodes[kept[0]] if kept else episodes[0]
    kept, widths = _sound(kept, lambda number: check_widths(number, episodes[number], first))
    kept, short = _sound(kept, lambda number: check_length(number, episodes[number]))
    finite = [n for n in kept if all(np.isfinite(values).all() for _, values in fields(episodes[n]))]
    findings = []
    if refused := refusals | widths:
        findings.append(_malformed(refused))
    if short:
        findings.append(_too_short(episodes, list(short)))
    if spoiled := [number for number in kept if number not in set(finite)]:
        findings.append(_not_finite(episodes, spoiled))
    return finite, findings


def _sound(numbers: Sequence[int], check: Callable[[int], None]) -> tuple[list[int], dict[int, str]]:
    """Those that pass a check, and what it says of the others."""
    passed, refused = [], {}
    for number in numbers:
        try:
            check(number)
            passed.append(number)
        except DataError as error:
            refused[number] = str(error)
    return passed, refused


def _malformed(refused: dict[int, str]) -> Finding:
    numbers = sorted(refused)
    return Finding(
        "malformed",
        "error",
        f"{counted(len(refused), 'episode')} cannot be read; {refused[numbers[0]]}",
        named_episodes(numbers),
        "record observations (T, O) or (T + 1, O), actions (T, A) and rewards (T,), as wide in every episode",
    )


def _too_short(episodes: Sequence[Episode], numbers: list[int]) -> Finding:
    most = len(numbers) > len(episodes) / 2
    advice = "terminations or truncations look set at every step; set them at the last step only"
    return Finding(
        "too-short",
        "error",
        f"{len(numbers):,} of {counted(len(episodes), 'episode')} have fewer than 2 steps",
        named_episodes(numbers),
        advice if most else "leave them out: nothing follows from a single step",
    )


def _not_finite(episodes: Sequence[Episode], numbers: list[int]) -> Finding:
    counts = Counter[str]()
    first = ""
    for number in numbers:
        for field, values in fields(episodes[number]):
            bad = np.argwhere(~np.isfinite(values))
            counts[field] += len(bad)
            if len(bad) and not first:
                first = named_value(number, field, values, bad[0].tolist())
    parts = ", ".join(f"{count:,} in {field}" for field, count in counts.items() if count)
    return Finding(
        "not-finite",
        "error",
        f"{counted(counts.total(), 'value')} {'is' if counts.total() == 1 else 'are'} NaN or infinite: {parts}",
        f"{named_episodes(numbers)}; the first: {first}",
        "find what writes them, or leave these episodes out; ttf makes up no values",
    )


def duplicates(subject: Subject) -> Iterator[Finding]:
    """Episodes that are exact copies of earlier ones."""
    first: dict[str, int] = {}
    copies = []
    for number, episode in zip(subject.numbers, subject.episodes, strict=True):
        original = first.setdefault(content_hash([episode]), number)
        if original != number:
            copies.append(f"episode {number} is episode {original}")
    if copies:
        yield Finding(
            "duplicates",
            "warning" if len(copies) > COPIES * len(subject.episodes) else "note",
            f"{len(copies):,} of {counted(len(subject.episodes), 'episode')} are exact copies of earlier ones",
            listed(copies),
            "leave them out: with copies among the held-out episodes, the validation loss looks better than it is",
        )


def size(subject: Subject) -> Iterator[Finding]:
    """Whether there are about as many transitions as the shipped recipes needed."""
    count = int(subject.lengths.sum())
    if count >= SHIPPED_LEAST:
        return
    few = count < SHIPPED_LEAST // 10
    yield Finding(
        "few-transitions",
        "warning" if few else "note",
        f"{counted(count, 'transition')}; the shipped recipes have {SHIPPED_LEAST:,} to {SHIPPED_MOST:,}",
        counted(len(subject.episodes), "episode"),
        "record more, or take fewer bins, a smaller model and fewer columns (data.observation_dims)",
    )


def windows(subject: Subject) -> Iterator[Finding]:
    """Whether the windows that the recipe's model is trained on fit into the episodes."""
    model, stride = subject.recipe.model, subject.recipe.data.stride
    if model is None:
        return
    steps = (model.context - 1) * stride + 1
    short = [number for number, length in zip(subject.numbers, subject.lengths, strict=True) if length < steps]
    part = len(short) / len(subject.lengths)
    if part > SHORT_SOME:
        yield Finding(
            "short-episodes",
            "warning" if part > SHORT_MANY else "note",
            f"{share(part)} of the episodes are shorter than the {steps:,} steps of a training window "
            f"(model.context {model.context}, data.stride {stride}); the rest of it is padding",
            named_episodes(short),
            f"set model.context to {max(1, (int(np.median(subject.lengths)) - 1) // stride + 1)} or less, or lower "
            "data.stride",
        )
