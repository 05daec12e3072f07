"""Intervals have the values of textbooks."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ttf.statistics import Interval, grouped_means, mean, wilson


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


def test_grouped_means_of_groups_of_one_have_about_students_interval() -> None:
    values = np.random.default_rng(0).normal(3, 2, (400, 2))
    for column, interval in enumerate(grouped_means(values, np.arange(400), seed=0)):
        student = mean(values[:, column].tolist())
        assert interval.estimate == pytest.approx(student.estimate)
        assert interval.low == pytest.approx(student.low, abs=0.03)
        assert interval.high == pytest.approx(student.high, abs=0.03)


def test_values_of_a_group_count_as_one_draw() -> None:
    independent = np.random.default_rng(0).normal(0, 1, 50)
    repeated = np.repeat(independent, 20)[:, None]
    (single,) = grouped_means(independent[:, None], np.arange(50), seed=0)
    (grouped,) = grouped_means(repeated, np.repeat(np.arange(50), 20), seed=0)
    assert grouped == pytest.approx(single)


def test_a_mean_over_groups_of_different_sizes_weighs_values_not_groups() -> None:
    (interval,) = grouped_means([[0.0], [3.0], [3.0]], [5, 9, 9], seed=0)
    assert interval == (2.0, 0.0, 3.0)


def test_a_single_group_has_no_interval() -> None:
    assert grouped_means([[1.0, 2.0], [3.0, 2.0]], [4, 4], seed=0) == [(2.0, None, None), (2.0, None, None)]
