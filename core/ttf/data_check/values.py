"""Columns: constants, numbers that float32 cannot tell apart, and what a column holds."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ttf.data_check.report import Column, Finding, listed
from ttf.plurals import counted

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from typing import Any

    from numpy.typing import NDArray

    from ttf.data_check.subject import Subject
    from ttf.episodes import Rows

LEVELS = 1000
"""Values that float32 should tell apart in a column's range: ten for each of a hundred bins."""

BINS = 100
"""Bins that heavy tails are looked for with where a recipe names no discretizer: the default of the built-in ones."""

USED = 0.1
"""Share of the bins that a column should use. A normal distribution over its range of ten standard deviations is worth
41 of 100 bins of equal width, a Laplace distribution 16, one with an outlier at a hundred standard deviations 4."""

ONE_VALUE = 0.5
"""Share of a single value from which on a column is not judged by the bins it uses: it is mostly that value."""

SAMPLED = 100_000
"""Rows that distributions are looked at on, evenly spaced."""


def constants(subject: Subject) -> Iterator[Finding]:
    """Columns that never change."""
    if subject.rows is None:
        return
    layout, rows = subject.rows.layout, subject.rows.values
    still = np.ptp(rows, axis=0) == 0
    observed, acted = still[layout.observations], still[layout.actions]
    where = listed([layout.names[i] for i in np.flatnonzero(still) if i < layout.reward])
    if observed.all():
        advice = "check what is recorded: nothing can be learned from it"
        yield Finding("constant", "error", "no dimension of the observation ever changes", where, advice)
    elif acted.any():
        what = f"{counted(int(acted.sum()), 'dimension')} of the action never change"
        what = what if acted.sum() > 1 else "1 dimension of the action never changes"
        advice = "check what is recorded: what such an action does cannot be learned"
        yield Finding("constant", "warning", what, where, advice)
    elif observed.any():
        change = "changes" if observed.sum() == 1 else "change"
        what = f"{observed.sum()} of {len(observed)} dimensions of the observation never {change}"
        advice = "leave them out with data.observation_dims: each costs a token per transition"
        yield Finding("constant", "note", what, where, advice)


def coarse_floats(subject: Subject) -> Iterator[Finding]:
    """Observations so far from 0 that their differences are lost in float32."""
    observations = np.concatenate([episode.observations for episode in subject.episodes])
    spans = np.ptp(observations, axis=0).astype(np.float64)
    levels = spans / np.spacing(np.abs(observations).max(axis=0)).astype(np.float64)
    for column in np.flatnonzero((spans > 0) & (levels < LEVELS)).tolist():
        largest = float(np.abs(observations[:, column]).max())
        yield Finding(
            "coarse-floats",
            "warning",
            f"values up to {largest:.4g} span {spans[column]:.4g}, of which float32 tells {levels[column]:,.0f} apart",
            f"observations[{column}]",
            "subtract an offset before recording, such as the time at which the episode began",
        )


def heavy_tails(subject: Subject) -> Iterator[Finding]:
    """Columns of which bins of equal width would use few; a recipe's own discretizer is judged by its own bins."""
    if subject.rows is None or subject.recipe.discretizer is not None:
        return
    values, names = sampled(subject.rows), subject.rows.layout.names
    used = {name: uniform_use(values[:, i]) for i, name in enumerate(names) if spread(values[:, i], BINS)}
    if poor := [name for name, share in used.items() if share < USED]:
        least = BINS * min(used[name] for name in poor)
        yield Finding(
            "heavy-tails",
            "note",
            f"of {BINS} bins of equal width, the values would use {least:.1f} and more",
            listed(poor),
            "take discretizer.kind quantile, whose bins are narrow where values are many",
        )


def sampled(rows: Rows) -> NDArray[np.float32]:
    """Evenly spaced rows (n, D), at most :data:`SAMPLED`."""
    return rows.values[np.linspace(0, len(rows.values) - 1, min(SAMPLED, len(rows.values))).astype(np.int64)]


def spread(values: NDArray[np.float32], bins: int) -> bool:
    """Whether values (n,) are too many different ones for a bin each, and not mostly a single one."""
    counts = np.unique(values, return_counts=True)[1]
    return len(counts) > bins and float(counts.max()) < ONE_VALUE * len(values)


def uniform_use(values: NDArray[np.float32]) -> float:
    """Share of the bins of equal width that values (n,) are worth: 2 to the entropy of the tokens, by the bins."""
    shares = np.histogram(values.astype(np.float64), BINS)[0] / len(values)
    shares = shares[shares > 0]
    return float(2 ** -(shares * np.log2(shares)).sum()) / BINS


def columns(rows: Rows, tokens: Sequence[Mapping[str, Any]] | None) -> list[Column]:
    """Every column of a transition; with what discretizing it loses, where that is known."""
    values = rows.values
    deviations = values.std(axis=0, dtype=np.float64)
    described = []
    for index, name in enumerate(rows.layout.names):
        low, high = float(values[:, index].min()), float(values[:, index].max())
        mean, deviation = float(values[:, index].mean(dtype=np.float64)), float(deviations[index])
        used, error = None, None
        if tokens is not None:
            used = int(tokens[index]["used"])
            error = 100 * float(tokens[index]["error_mean"]) / deviation if deviation > 0 else 0.0
        described.append(Column(name, low, high, mean, deviation, used, error))
    return described
