"""Searches with a deadline widen while there is time, and lose nothing to one without."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
import torch
from tests.core.search_cases import random_case, random_context
from tests.core.toys import Quiet, tiny_recipe
from torch import Tensor

from ttf.anytime import KEPT, AnytimeDecoder, better, expected, usual, widths
from ttf.assemble import run_recipe
from ttf.interfaces.decoder import Decoder, Plan
from ttf.run_dir import read_lines
from ttf.search import BeamDecoder
from ttf_plugins.beam_search import BeamSearchConfig

if TYPE_CHECKING:
    from pathlib import Path


class Clock:
    """A time that passes only when it is told to."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


class Slow(Decoder):
    """Takes its time, and scores what it is told to; its actions are its scores."""

    def __init__(self, clock: Clock, seconds: float, scores: list[float]) -> None:
        self.clock, self.seconds, self.scores = clock, seconds, torch.tensor(scores)

    def plan(self, context: Tensor, generator: torch.Generator, goal: Tensor | None = None) -> Plan:
        self.clock.now += self.seconds
        each = self.scores.view(-1, 1, 1)
        return Plan(each.long().expand(-1, 2, 3), self.scores, each)


class Waiting:
    """A search with a deadline whose beams 1, 2, 4... take given seconds."""

    def __init__(self, seconds: list[float], deadline: float) -> None:
        self.clock = Clock()
        self.decoders = {2**i: Slow(self.clock, taken, [1.0, 2.0]) for i, taken in enumerate(seconds)}
        self.search = AnytimeDecoder(self.decoders, deadline, self.clock)

    def plan(self, length: int = 1) -> tuple[int | None, float, float]:
        """The width reached, the seconds it took, and the seconds by which it was late."""
        began = self.clock.now
        plan = self.search.plan(torch.zeros(2, length), torch.Generator())
        assert plan.late is not None
        return plan.reached, round(self.clock.now - began, 6), round(plan.late, 6)


def test_the_first_plan_is_the_narrowest_search_and_the_widest_that_fits_should_it_take_as_much_longer() -> None:
    assert Waiting([1.0, 2.0, 4.0], 5.5).plan() == (4, 5.0, 0.0)  # a tenth of four seconds remains
    assert Waiting([1.0, 2.0, 4.0], 5.3).plan() == (2, 3.0, 0.0)
    assert Waiting([1.0, 2.0, 4.0], 3.1).plan() == (1, 1.0, 0.0)
    assert Waiting([1.0], 9.0).plan() == (1, 1.0, 0.0)


def test_later_plans_begin_with_the_widest_search_that_is_known_to_fit() -> None:
    waiting = Waiting([1.0, 1.1, 1.3, 1.7], 3.5)
    assert waiting.plan() == (2, 2.1, 0.0)
    assert waiting.plan() == (8, 1.7, 0.0)  # the line through what two widths took
    assert waiting.plan() == (8, 1.7, 0.0)


def test_a_wider_search_begins_where_the_one_that_was_known_to_fit_has_left_time() -> None:
    waiting = Waiting([1.0, 4.0], 4.2)
    assert waiting.plan() == (2, 5.0, 0.8)  # it took longer than it was expected to
    waiting.decoders[2].seconds = 1.5
    assert waiting.plan() == (2, 2.5, 0.0)
    assert waiting.plan() == (2, 1.5, 0.0)  # what is known is the median


def test_a_width_that_was_slow_once_has_its_chance_again() -> None:
    waiting = Waiting([1.0, 3.0], 2.3)
    assert waiting.plan() == (1, 1.0, 0.0)
    assert waiting.plan() == (2, 3.0, 0.7)
    waiting.decoders[2].seconds = 1.1
    assert [waiting.plan() for _ in range(KEPT)] == [(1, 1.0, 0.0)] * KEPT  # twice a second would be too late
    assert [waiting.plan() for _ in range(2)] == [(2, 1.1, 0.0)] * 2


def test_what_widths_usually_take_is_the_median_of_their_last_times() -> None:
    times = [9.0, 1.0, 2.0, 30.0, 4.0, 3.0]
    assert usual([{1: 0.5}] + [{2: taken} for taken in times]) == {1: 0.5, 2: 3.0}


def test_contexts_of_another_shape_take_times_of_their_own() -> None:
    waiting = Waiting([1.0, 1.1], 3.5)
    assert [waiting.plan(), waiting.plan(), waiting.plan(2), waiting.plan(2)] == [(2, 2.1, 0.0), (2, 1.1, 0.0)] * 2


def test_a_deadline_that_even_the_narrowest_search_misses_is_told() -> None:
    waiting = Waiting([1.0, 1.0], 0.25)
    assert [waiting.plan(), waiting.plan()] == [(1, 1.0, 0.75)] * 2


@pytest.mark.parametrize(
    ("known", "width", "seconds"),
    [
        ({1: 1.0}, 1, 1.0),
        ({1: 1.0}, 8, 8.0),
        ({2: 1.0, 4: 2.0}, 8, 4.0),
        ({1: 1.0, 4: 1.3}, 8, 1.7),
        ({1: 1.0, 4: 1.3, 16: 9.0}, 8, 1.7),
        ({1: 2.0, 4: 1.0}, 8, 1.0),  # wider is no faster
        ({1: 0.1, 2: 1.0}, 8, 4.0),  # nor slower than its width says
    ],
)
def test_what_is_expected_follows_from_what_is_known(known: dict[int, float], width: int, seconds: float) -> None:
    assert expected(width, known) == pytest.approx(seconds)


def test_each_context_keeps_the_plan_with_the_higher_score() -> None:
    clock = Clock()
    decoders = {1: Slow(clock, 0.1, [3.0, 1.0, 2.0]), 2: Slow(clock, 0.1, [1.0, 4.0, 2.0])}
    plan = AnytimeDecoder(decoders, 9.0, clock).plan(torch.zeros(3, 1), torch.Generator())
    assert plan.score.tolist() == [3.0, 4.0, 2.0]
    assert plan.tokens[:, 0, 0].tolist() == [3, 4, 2]
    assert plan.actions is not None
    assert plan.actions[:, 0, 0].tolist() == [3.0, 4.0, 2.0]
    assert plan.reached == 2
    assert better(plan, plan).tokens.equal(plan.tokens)


@pytest.mark.parametrize(
    ("widest", "tried"), [(1, [1]), (2, [1, 2]), (5, [1, 2, 4, 5]), (64, [1, 2, 4, 8, 16, 32, 64])]
)
def test_beams_are_doubled_up_to_the_widest(widest: int, tried: list[int]) -> None:
    assert widths(widest) == tried


def test_a_run_with_a_deadline_says_how_far_its_plans_got(tmp_path: Path) -> None:
    quiet = Quiet()
    recipe = tiny_recipe(decoder=BeamSearchConfig(horizon=2, beam_width=3, context=3, deadline_ms=1e7))
    run = run_recipe(recipe, runs_dir=tmp_path, resume=False, progress=quiet)
    lines = [line for line in read_lines(run.episodes) if line["policy"] == "beam_search"]
    batches = (lines[:3], lines[3:])
    plans = sum(max(line["steps"] for line in batch) for batch in batches)
    counted = {"reached": {"3": plans}, "late": 0, "latest_ms": 0.0}
    assert run.read("run")["deadline"] == {"beam_search": counted}
    assert "beam_search: beam width reached by the deadline, share of plans: 3: 100 %" in quiet.notes


def test_a_run_says_how_many_plans_came_late(tmp_path: Path) -> None:
    quiet = Quiet()
    expecting = BeamSearchConfig(horizon=2, beam_width=3, context=3, deadline_ms=1e-3, actions="expected")
    run = run_recipe(tiny_recipe(decoder=expecting), runs_dir=tmp_path, resume=False, progress=quiet)
    counted = run.read("run")["deadline"]["beam_search"]
    assert counted["reached"] == {"1": counted["late"]}
    assert counted["latest_ms"] > 0
    late = rf"share of plans: 1: 100 %; {counted['late']} of {counted['late']} plans came late, by up to \d+ ms$"
    assert any(re.search(late, note) for note in quiet.notes)


def test_with_time_enough_the_plan_is_at_least_that_of_the_widest_search() -> None:
    for seed in range(10):
        model, discretizer, settings, past = random_case(3 * seed)
        context = random_context(model, discretizer, past, 2, seed)
        decoders = {w: BeamDecoder(model, discretizer, replace(settings, beam_width=w)) for w in widths(4)}
        generator = torch.Generator().manual_seed(seed)
        alone = torch.Generator().manual_seed(seed)
        plans = [decoders[width].plan(context, alone) for width in (1, 4)]
        plan = AnytimeDecoder(decoders, 1e6).plan(context, generator)
        assert plan.score.equal(torch.stack([each.score for each in plans]).amax(0))
        assert plan.reached == 4
