"""Aggregates of scores over training seeds and evaluation episodes (Agarwal et al. 2021, sections 4.2 and 4.3).

A matrix of scores (S, E) has a row for every training seed and a column for every evaluation episode, the same ones for
all seeds and all methods. Point estimates are those of the paper with the episodes as its tasks. Intervals are not: its
bootstrap draws the runs of every task anew, as they are trained anew, while here a seed that has learned badly fails in
many episodes. Whole seeds and whole episodes are drawn (the pigeonhole bootstrap, Owen 2007), if there are enough.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from scipy import stats

from ttf.statistics import Interval, wilson

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import NDArray

    Scores = NDArray[np.float64]

RESAMPLES = 2000
"""Bootstrap samples of an interval."""

FEWEST_SEEDS = 3
"""With fewer there is no interval."""

_AT_ONCE = 2**22
"""Numbers held at once while resampling."""


class Aggregates(NamedTuple):
    """What a method scores over all seeds and episodes."""

    iqm: Interval
    """Mean of the middle half of all scores."""

    mean: Interval
    """Mean of all scores."""

    median: Interval
    """Median over the episodes of their means over the seeds."""


def aggregates(scores: Scores, seed: int, *, success: bool = False) -> Aggregates:
    """Aggregates of scores (S, E), with bootstrap intervals drawn from a seed.

    Where all episodes succeed or all fail, which is to be told from returns that happen to be 1 or 0, nothing that is
    drawn differs; the mean then has the Wilson interval of E episodes, as if all seeds were one.
    """
    iqm, mean, median = (_interval(statistic, (scores,), seed) for statistic in (_iqm, _mean, _median))
    if success and len(scores) >= FEWEST_SEEDS and mean.estimate in {0.0, 1.0}:
        episodes = scores.shape[1]
        mean = wilson(round(mean.estimate * episodes), episodes)
    return Aggregates(iqm, mean, median)


def paired_difference(scores: Scores, base: Scores, seed: int) -> Interval:
    """Mean of scores (S, E) minus those of a base method with the same seeds and episodes."""
    return _interval(_mean, (scores - base,), seed)


def probability_of_improvement(scores: Scores, base: Scores, seed: int) -> Interval:
    """How likely a run scores more than one of the base method in a random episode; ties count half."""
    return _interval(_improvement, (scores, base), seed)


def performance_profile(scores: Scores, thresholds: Scores) -> Scores:
    """Shares (T,) of all scores (S, E) above thresholds (T,)."""
    shares: Scores = (scores.reshape(-1, 1) > thresholds).mean(axis=0)
    return shares


def _iqm(scores: Scores) -> Scores:
    """Of matrices (..., S, E)."""
    trimmed: Scores = np.asarray(stats.trim_mean(scores.reshape(*scores.shape[:-2], -1), 0.25, axis=-1))
    return trimmed


def _mean(scores: Scores) -> Scores:
    """Of matrices (..., S, E)."""
    means: Scores = np.asarray(scores.mean(axis=(-2, -1)))
    return means


def _median(scores: Scores) -> Scores:
    """Of matrices (..., S, E)."""
    medians: Scores = np.asarray(np.median(scores.mean(axis=-2), axis=-1))
    return medians


def _improvement(scores: Scores, base: Scores) -> Scores:
    """Of matrices (..., S, E): the mean over episodes of the Mann-Whitney statistic, as a share of all pairs."""
    mine, theirs = scores[..., :, None, :], base[..., None, :, :]
    shares: Scores = np.asarray(((mine > theirs) + 0.5 * (mine == theirs)).mean(axis=(-3, -2, -1)))
    return shares


def _interval(statistic: Callable[..., Scores], matrices: tuple[Scores, ...], seed: int) -> Interval:
    """A statistic of matrices with its 95 % percentile interval, if there are seeds for it and draws differ."""
    estimate = float(statistic(*matrices))
    if min(len(matrix) for matrix in matrices) < FEWEST_SEEDS:
        return Interval(estimate, None, None)
    resampled = np.concatenate([statistic(*drawn) for drawn in _drawn(matrices, np.random.default_rng(seed))])
    low, high = np.percentile(resampled, [2.5, 97.5])
    if np.isclose(low, high, rtol=1e-9, atol=1e-12):
        return Interval(estimate, None, None)
    return Interval(estimate, float(low), float(high))


def _drawn(matrices: tuple[Scores, ...], random: np.random.Generator) -> Iterator[tuple[Scores, ...]]:
    """Resampled matrices (some, S, E): each with seeds of its own, all with the same episodes.

    Matrices of one call are of the same episodes, but of methods that were trained independently.
    """
    episodes = matrices[0].shape[1]
    some = max(1, _AT_ONCE // (episodes * max(len(matrix) for matrix in matrices) ** len(matrices)))
    for start in range(0, RESAMPLES, some):
        count = min(some, RESAMPLES - start)
        columns = random.integers(episodes, size=(count, 1, episodes))
        rows = [random.integers(len(matrix), size=(count, len(matrix), 1)) for matrix in matrices]
        yield tuple(matrix[row, columns] for matrix, row in zip(matrices, rows, strict=True))
