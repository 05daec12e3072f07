"""Searches with a deadline widen while there is time, and lose nothing to one without."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
import torch
from tests.core.search_cases import random_case, random_context
from tests.core.toys import Quiet, tiny_recipe
from torch import Tensor

from ttf.anytime import AnytimeDecoder, better, widths
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
    """Takes its time, and scores what it is told to."""

    def __init__(self, clock: Clock, seconds: float, scores: list[float]) -> None:
        self.clock, self.seconds, self.scores = clock, seconds, torch.tensor(scores)
        self.asked = 0

    def plan(self, context: Tensor, generator: torch.Generator, goal: Tensor | None = None) -> Plan:
        self.asked += 1
        self.clock.now += self.seconds
        return Plan(self.scores.long().view(-1, 1, 1).expand(-1, 2, 3), self.scores)


def asked(seconds: list[float], deadline: float) -> tuple[int | None, list[int], float]:
    """The width reached, how often each decoder was asked, and the seconds it took; widths are 1, 2, 4..."""
    clock = Clock()
    decoders = {2**i: Slow(clock, taken, [1.0, 2.0]) for i, taken in enumerate(seconds)}
    plan = AnytimeDecoder(decoders, deadline, clock).plan(torch.zeros(2, 1), torch.Generator())
    return plan.reached, [decoder.asked for decoder in decoders.values()], clock.now - 100.0


@pytest.mark.parametrize(
    ("seconds", "deadline", "reached"),
    [
        ([1.0, 2.0, 4.0], 7.0, 4),  # as long as feared: just in time
        ([1.0, 2.0, 4.0], 6.9, 2),  # 4 more seconds would be too late
        ([1.0, 2.0, 4.0], 0.5, 1),  # too late already, but there is a plan
        ([1.0, 1.0, 1.0], 4.0, 4),  # faster than feared
        ([1.0, 1.0, 1.0], 3.9, 2),
        ([1.0], 9.0, 1),
    ],
)
def test_a_wider_search_begins_only_where_there_is_time_for_it(
    seconds: list[float], deadline: float, reached: int
) -> None:
    width, calls, took = asked(seconds, deadline)
    assert width == reached
    assert calls == [int(2**i <= reached) for i in range(len(seconds))]
    assert took <= max(deadline, seconds[0])


def test_each_context_keeps_the_plan_with_the_higher_score() -> None:
    clock = Clock()
    decoders = {1: Slow(clock, 0.1, [3.0, 1.0, 2.0]), 2: Slow(clock, 0.1, [1.0, 4.0, 2.0])}
    plan = AnytimeDecoder(decoders, 9.0, clock).plan(torch.zeros(3, 1), torch.Generator())
    assert plan.score.tolist() == [3.0, 4.0, 2.0]
    assert plan.tokens[:, 0, 0].tolist() == [3, 4, 2]
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
    assert run.read("run")["reached"] == {"beam_search": {"3": plans}}
    assert "beam_search: beam width reached by the deadline, share of plans: 3: 100 %" in quiet.notes


def test_with_time_enough_the_plan_is_at_least_that_of_the_widest_search() -> None:
    for seed in range(10):
        model, discretizer, settings, past = random_case(3 * seed)
        context = random_context(model, discretizer, past, 2, seed)
        decoders = {w: BeamDecoder(model, discretizer, replace(settings, beam_width=w)) for w in widths(4)}
        generator = torch.Generator().manual_seed(seed)
        alone = torch.Generator().manual_seed(seed)
        plans = [decoder.plan(context, alone) for decoder in decoders.values()]
        plan = AnytimeDecoder(decoders, 1e6).plan(context, generator)
        assert plan.score.equal(torch.stack([each.score for each in plans]).amax(0))
        assert plan.reached == 4
