from __future__ import annotations

import pytest

from ttf_plugins.html.documents import EpisodeRecord, Estimate, PolicyResult, Rate
from ttf_plugins.html.results import best, by_seed, decimals, interval, plain, rows


def estimate(value: float, low: float, high: float) -> Estimate:
    return Estimate(estimate=value, low=low, high=high)


def policy(name: str, success: Rate | None, steps: Estimate) -> PolicyResult:
    return PolicyResult(policy=name, episodes=10, returns=estimate(1, 1, 1), steps=steps, success=success)


def test_the_best_estimate_stands_out_only_if_its_interval_is_clear_of_every_other() -> None:
    clear = [estimate(0.9, 0.8, 1.0), estimate(0.5, 0.4, 0.6), estimate(0.6, 0.5, 0.79)]
    assert best(clear) == 0
    assert best([*clear, estimate(0.7, 0.5, 0.8)]) is None  # touching is not clear


def test_where_less_is_better_the_smallest_stands_out() -> None:
    column = [estimate(300, 290, 310), estimate(120, 110, 130)]
    assert best(column, smallest=True) == 1
    assert best(column) == 0


def test_nothing_stands_out_among_one_or_beside_a_gap() -> None:
    assert best([estimate(1, 1, 1)]) is None
    assert best([estimate(1, 1, 1), None]) is None
    assert best([]) is None


def test_nothing_stands_out_where_an_interval_is_missing() -> None:
    single = Estimate(estimate=100, low=None, high=None)
    assert best([single, single]) is None
    assert best([single, estimate(1, 0, 2)]) is None
    assert best([single, estimate(1000, 999, 1001)]) is None


def test_an_estimate_without_an_interval_stands_alone() -> None:
    cells = [Estimate(estimate=3, low=None, high=None), Estimate(estimate=3.25, low=None, high=None)]
    assert (interval(cells[0]), interval(cells[1])) == ('<data value="3.0">3</data>', '<data value="3.25">3.25</data>')
    assert decimals([*cells, estimate(0.5, 0.4, 0.6)]) == 2
    assert decimals(cells[:1]) == 0


def test_an_overlap_with_any_policy_counts_even_if_it_is_not_the_runner_up() -> None:
    assert best([estimate(10, 9, 11), estimate(8, 7.9, 8.1), estimate(5, 0, 9.5)]) is None


def test_fewer_steps_are_better_only_where_episodes_can_succeed() -> None:
    short, long = estimate(10, 9, 11), estimate(100, 90, 110)
    succeeded = Rate(estimate=1, low=1, high=1)
    assert [row.best_steps for row in rows([policy("a", succeeded, short), policy("b", succeeded, long)])] == [
        True,
        False,
    ]
    assert not any(row.best_steps for row in rows([policy("a", None, short), policy("b", None, long)]))


@pytest.mark.parametrize(
    ("cell", "expected"),
    [
        (estimate(123.456, 100.0, 150.0), 0),
        (estimate(1.23, 1.0, 1.4), 2),
        (estimate(0.5, 0.49988, 0.50012), 5),
        (estimate(3.0, 3.0, 3.0), 0),
        (estimate(3.25, 3.25, 3.25), 2),
    ],
)
def test_intervals_are_shown_to_two_digits_of_their_half_width(cell: Estimate, expected: int) -> None:
    assert decimals([cell]) == expected


def test_a_rounded_interval_carries_its_exact_numbers() -> None:
    assert interval(estimate(-1234.5678, -1300.25, -1200.125)) == (
        '<data value="-1234.5678">\u22121\u202f235</data> '
        '<span class="interval">[<data value="-1300.25">\u22121\u202f300</data>, '
        '<data value="-1200.125">\u22121\u202f200</data>]</span>'
    )


@pytest.mark.parametrize(("value", "text"), [(-0.001, "0.0"), (-0.1, "\u22120.1"), (12345.67, "12\u202f345.7")])
def test_numbers_are_set_with_a_real_minus_and_no_negative_zero(value: float, text: str) -> None:
    assert plain(value, 1) == text


def record(name: str, seed: int) -> EpisodeRecord:
    return EpisodeRecord(policy=name, episode=seed, seed=seed, returns=1.0, steps=seed)


def test_episodes_are_listed_by_seed_with_gaps_where_a_policy_has_none() -> None:
    episodes = [record("a", 5), record("a", 3), record("b", 3), record("b", 9)]
    table = [(row.seed, [cell and cell.policy for cell in row.cells]) for row in by_seed(episodes, ["a", "b"], 2)]
    assert table == [(5, ["a", None]), (3, ["a", "b"])]
