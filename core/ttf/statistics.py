"""Intervals for what an evaluation measured."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from scipy import stats

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import ArrayLike, NDArray

RESAMPLES = 1000
"""Bootstrap samples of an interval."""


class Interval(NamedTuple):
    """An estimate with its 95 % confidence interval; a single value has none."""

    estimate: float
    low: float | None
    high: float | None


def wilson(successes: int, trials: int) -> Interval:
    """A proportion with the Wilson score interval."""
    result = stats.binomtest(successes, trials).proportion_ci(0.95, method="wilson")
    return Interval(successes / trials, float(result.low), float(result.high))


def mean(values: Sequence[float]) -> Interval:
    """A mean with Student's t interval; values that are all the same are their own interval."""
    sample = np.asarray(values, dtype=np.float64)
    estimate = float(sample.mean())
    if len(sample) == 1:
        return Interval(estimate, None, None)
    error = float(sample.std(ddof=1) / np.sqrt(len(sample)))
    if error == 0.0:
        return Interval(estimate, estimate, estimate)
    low, high = stats.t.interval(0.95, len(sample) - 1, loc=estimate, scale=error)
    return Interval(estimate, float(low), float(high))


def grouped_means(values: ArrayLike, groups: ArrayLike, seed: int) -> list[Interval]:
    """The mean of every column of values (N, T), with a percentile bootstrap interval over groups (N,).

    Values of a group, such as those of one episode, are not independent, so whole groups are drawn. A single group
    has no interval.
    """
    sample = np.asarray(values, dtype=np.float64)
    _, members = np.unique(np.asarray(groups), return_inverse=True)
    counts = np.bincount(members).astype(np.float64)  # (G,)
    sums = np.zeros((len(counts), sample.shape[1]))
    np.add.at(sums, members, sample)
    means = sample.mean(axis=0)
    if len(counts) == 1:
        return [Interval(float(estimate), None, None) for estimate in means]
    drawn = np.random.default_rng(seed).multinomial(len(counts), np.full(len(counts), 1 / len(counts)), RESAMPLES)
    low, high = _percentiles((drawn @ sums) / (drawn @ counts)[:, None])
    return [Interval(*map(float, bounds)) for bounds in zip(means, low, high, strict=True)]


def _percentiles(resampled: NDArray[np.float64]) -> NDArray[np.float64]:
    """The bounds (2, T) of 95 % of resampled means (B, T)."""
    bounds: NDArray[np.float64] = np.percentile(resampled, [2.5, 97.5], axis=0)
    return bounds
