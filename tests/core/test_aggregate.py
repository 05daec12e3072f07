"""Aggregates are rliable's; intervals cover what they should, and know that a seed's episodes are not independent."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ttf.aggregate import aggregates, paired_difference, performance_profile, probability_of_improvement

ORACLE = json.loads((Path(__file__).parent / "oracles" / "rliable.json").read_text())


@pytest.mark.parametrize("case", ORACLE["cases"], ids=lambda case: f"{len(case['scores'])}x{len(case['scores'][0])}")
def test_point_estimates_are_those_of_rliable(case: dict[str, Any]) -> None:
    scores, base = np.array(case["scores"]), np.array(case["base"])
    found = aggregates(scores, seed=0)
    improvement = probability_of_improvement(scores, base, seed=0)
    estimates = [*(interval.estimate for interval in found), improvement.estimate]
    assert estimates == pytest.approx([case[name] for name in ("iqm", "mean", "median", "improvement")], abs=1e-10)


def test_a_paired_difference_is_that_of_the_same_seeds_and_episodes() -> None:
    base = np.random.default_rng(0).normal(0, 100, size=(5, 50))
    found = paired_difference(base + 1, base, seed=0)
    assert found.estimate == pytest.approx(1)
    assert found[1:] == (None, None), "nothing that is drawn differs"


def test_intervals_cover_the_truth_about_as_often_as_they_say() -> None:
    random, covered = np.random.default_rng(0), 0
    for seed in range(200):
        scores = random.normal(0, 1, size=(8, 1)) + random.normal(0, 1, size=(8, 30))  # some seeds learn better
        interval = aggregates(scores, seed).mean
        assert interval.low is not None
        assert interval.high is not None
        covered += interval.low <= 0 <= interval.high
    assert 0.85 <= covered / 200 <= 0.99


def test_an_interval_is_wider_where_seeds_differ_than_where_episodes_do() -> None:
    column, row = np.arange(5.0)[:, None].repeat(50, axis=1), np.tile(np.arange(5.0), (5, 10))
    by_seed, by_episode = (aggregates(scores, seed=0).mean for scores in (column, row))
    assert by_seed.estimate == by_episode.estimate == 2
    widths = [interval.high - interval.low for interval in (by_seed, by_episode) if interval.high and interval.low]
    assert widths[0] > 2 * widths[1]


@pytest.mark.parametrize("seeds", [1, 2, 3])
def test_fewer_than_three_seeds_have_no_intervals(seeds: int) -> None:
    scores = np.random.default_rng(0).normal(size=(seeds, 20))
    found = [*aggregates(scores, seed=0), paired_difference(scores, scores**2, seed=0)]
    found.append(probability_of_improvement(scores, scores**2, seed=0))
    assert {interval.low is not None and interval.high is not None for interval in found} == {seeds == 3}


@pytest.mark.parametrize(("outcome", "low", "high"), [(0.0, 0.0, 0.0713), (1.0, 0.9287, 1.0)])
def test_successes_that_are_all_alike_are_no_certainty(outcome: float, low: float, high: float) -> None:
    scores = np.full((5, 50), outcome)
    found = aggregates(scores, seed=0, success=True)
    assert found.mean == pytest.approx((outcome, low, high), abs=1e-4)
    assert found.iqm == found.median == (outcome, None, None)
    assert aggregates(scores, seed=0).mean == (outcome, None, None), "returns know no bounds"
    assert aggregates(scores[:2], seed=0, success=True).mean == (outcome, None, None)


def test_whoever_is_always_better_improves_for_certain_and_equals_do_in_half_of_the_cases() -> None:
    scores = np.random.default_rng(0).normal(size=(4, 6))
    assert probability_of_improvement(scores + 100, scores, seed=0) == (1, None, None)
    assert probability_of_improvement(np.ones((3, 3)), np.ones((3, 3)), seed=0) == (0.5, None, None)


def test_the_same_seed_draws_the_same_intervals(monkeypatch: pytest.MonkeyPatch) -> None:
    scores = np.random.default_rng(0).normal(size=(4, 6))
    first = aggregates(scores, seed=1)
    assert aggregates(scores, seed=1) == first
    assert aggregates(scores, seed=2) != first
    monkeypatch.setattr("ttf.aggregate._AT_ONCE", 1000)
    assert aggregates(scores, seed=1).mean.estimate == first.mean.estimate


def test_a_profile_is_the_share_of_scores_above_each_threshold() -> None:
    shares = performance_profile(np.array([[0.0, 1.0], [2.0, 3.0]]), np.array([-1.0, 0.5, 2.0, 3.0]))
    assert shares.tolist() == [1.0, 0.75, 0.25, 0.0]
