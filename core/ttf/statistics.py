"""Intervals for what an evaluation measured."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from scipy import stats

if TYPE_CHECKING:
    from collections.abc import Sequence


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
