"""Intervals have the values of textbooks."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ttf.statistics import Interval, mean, wilson


@pytest.mark.parametrize(
    ("successes", "trials", "low", "high"),
    [
        (0, 10, 0.0, 0.2775),  # Wilson 1927, as tabulated by Newcombe 1998 and others
        (10, 10, 0.7225, 1.0),
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0.0, 0.1611),
        (1, 29, 0.0061, 0.1718),
        (95, 100, 0.8882, 0.9785),
    ],
)
def test_wilson_intervals_are_the_tabulated_ones(successes: int, trials: int, low: float, high: float) -> None:
    assert wilson(successes, trials) == pytest.approx((successes / trials, low, high), abs=5e-5)


@given(st.integers(1, 200).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_wilson_is_its_formula(case: tuple[int, int]) -> None:
    successes, trials = case
    z, p = 1.959963984540054, successes / trials
    centre = (p + z**2 / (2 * trials)) / (1 + z**2 / trials)
    half = z / (1 + z**2 / trials) * np.sqrt(p * (1 - p) / trials + z**2 / (4 * trials**2))
    found = wilson(successes, trials)
    assert found.estimate == p
    assert found.low is not None
    assert found.high is not None
    assert (found.low, found.high) == pytest.approx((centre - half, centre + half), abs=1e-9)
    assert 0 <= found.low <= found.estimate <= found.high <= 1


def test_a_mean_has_students_interval() -> None:
    # t(0.975, 4) = 2.7764, standard deviation sqrt(2.5)
    half = 2.7764451051977987 * np.sqrt(2.5 / 5)
    assert mean([1, 2, 3, 4, 5]) == pytest.approx((3, 3 - half, 3 + half))


@pytest.mark.parametrize("count", [2, 3, 10])
def test_values_without_spread_are_their_own_interval(count: int) -> None:
    assert mean([4.5] * count) == Interval(4.5, 4.5, 4.5)


def test_a_single_value_says_nothing_about_its_spread() -> None:
    assert mean([4.5]) == Interval(4.5, None, None)
