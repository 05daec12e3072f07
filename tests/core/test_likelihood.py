"""The likelihood search returns what the slow, obvious search returns, and what can be worked out by hand."""

from __future__ import annotations

import itertools
import random
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

import pytest
import torch
from tests.core.search_cases import (
    Aimed,
    Centres,
    Ending,
    as_on_a_gpu,
    random_case,
    random_context,
    random_goals,
    stored,
    traced,
)
from tests.core.slow_likelihood import SlowLikelihood
from tests.core.slow_tokens import next_logits

from ttf.layout import Layout
from ttf.likelihood import LikelihoodSearch, LikelihoodSettings, likeliest
from ttf.sampling import Sampling
from ttf_plugins.gpt import GPTConfig, gpt
from ttf_plugins.gpt.tiled import TiledState

if TYPE_CHECKING:
    from collections.abc import Iterator

    from torch import Tensor

    from ttf.interfaces.decoder import Plan
    from ttf.interfaces.discretizer import Discretizer
    from ttf.interfaces.model import SequenceModel

CASES, CASES_PER_TEST = 400, 100


@pytest.fixture(autouse=True)
def _no_gradients() -> Iterator[None]:
    with torch.no_grad():
        yield


def likelihood_case(seed: int) -> tuple[SequenceModel, Discretizer, LikelihoodSettings, int]:
    """A case of the other search, with a likelihood search's settings."""
    model, discretizer, settings, past = random_case(seed)
    choose = random.Random(seed)
    likelihood = LikelihoodSettings(
        horizon=min(settings.horizon, 3),
        beam_width=choose.choice([1, 2, 3, 6]),
        limit=settings.limit,
        sampling=replace(settings.sampling, reference_cdf=None),
        stop=settings.stop,
        count_rewards=choose.random() < 0.5,
    )
    return model, discretizer, likelihood, past


def tiny(*, bins: int = 2, context: int = 3, seed: int = 0) -> tuple[SequenceModel, Discretizer]:
    """A model of few tokens with large random weights, and bins that are all live."""
    generator = torch.Generator().manual_seed(seed)
    layout = Layout(1, 1)
    model = GPTConfig(layers=2, heads=2, width=8, context=context).build(layout, bins).double().eval()
    for parameter in model.parameters():
        parameter.data = torch.randn(parameter.shape, generator=generator, dtype=torch.float64) * 0.5
    discretizer = Centres(layout, bins, generator)
    discretizer.live[:] = True
    return model, discretizer


def settings_of(model: SequenceModel, **changes: object) -> LikelihoodSettings:
    """All tokens count and are as the model has them, and the model sees all that it can read."""
    plain = LikelihoodSettings(
        horizon=2, beam_width=1, limit=model.block, sampling=Sampling(), stop="end", count_rewards=True
    )
    return replace(plain, **changes)  # type: ignore[arg-type]


def log_probability(
    model: SequenceModel, discretizer: Discretizer, settings: LikelihoodSettings, row: list[int], planned: int
) -> float:
    """Of the last ``planned`` tokens of a row, from one forward over all of it; -inf for what cannot be planned."""
    layout, ended, total = model.layout, False, 0.0
    logits = model(torch.tensor([row[:-1]]))[0]
    for position in range(len(row) - planned, len(row)):
        token, column = row[position], position % layout.width
        if settings.stop == "end":
            if ended and token != discretizer.stop:
                return -torch.inf
            if column > 0:
                logits[position - 1, discretizer.stop] = -torch.inf
        if not ended:
            total += float(logits[position - 1].log_softmax(-1)[token])
        ended = ended or (settings.stop == "end" and column == 0 and token == discretizer.stop)
    return total


@pytest.mark.parametrize("first", range(0, CASES, CASES_PER_TEST))
def test_the_engine_plans_what_the_obvious_search_plans(first: int) -> None:
    for seed in range(first, first + CASES_PER_TEST):
        model, discretizer, settings, past = likelihood_case(seed)
        context = random_context(model, discretizer, past, contexts=1 + seed % 3, seed=seed)
        goals = random_goals(model, len(context), seed)
        with stored(seed):
            plan = LikelihoodSearch(model, discretizer, settings).plan(context, goals)
        for row in range(len(context)):
            slow = SlowLikelihood(Aimed(model, goals[row]), discretizer, settings)
            tokens, score = slow.plan(context[row].tolist())
            assert plan.tokens[row].flatten().tolist() == tokens, f"case {seed}, context {row}"
            assert float(plan.score[row]) == pytest.approx(score, rel=1e-9, abs=1e-9)


def test_a_plan_that_depends_on_shapes_alone_is_the_plan_and_can_be_recorded() -> None:
    for seed in range(CASES // 2):
        model, discretizer, settings, past = likelihood_case(seed)
        search = LikelihoodSearch(model, discretizer, settings)
        static = partial(search._plan, static=True)
        contexts = [random_context(model, discretizer, past, contexts=2, seed=seed + i) for i in range(2)]
        goals = [random_goals(model, 2, seed + i) for i in range(2)]
        with as_on_a_gpu():
            planning = traced(static, [contexts[0], goals[0]]) if seed < 10 else static
            planned = planning(contexts[1], goals[1])
        plan = search.plan(contexts[1], goals[1])
        assert planned.tokens.equal(plan.tokens), f"case {seed}"
        torch.testing.assert_close(planned.score, plan.score)


@pytest.mark.parametrize("seed", range(20))
def test_a_single_beam_decodes_greedily(seed: int) -> None:
    model, discretizer, settings, past = likelihood_case(seed)
    settings = replace(settings, beam_width=1, sampling=Sampling(), stop="reference")
    (context,) = random_context(model, discretizer, past, contexts=1, seed=seed).tolist()
    row, total = list(context), 0.0
    for column in model.layout.slots(settings.horizon * model.layout.width)[model.layout.observation :]:
        logits = next_logits(model, discretizer, settings, row, column)
        row.append(int(logits.argmax()))
        if settings.count_rewards or column < model.layout.reward:
            total += float(logits.log_softmax(-1).max())
    plan = LikelihoodSearch(model, discretizer, settings).plan(torch.tensor([context]))
    assert plan.tokens.flatten().tolist() == row[past * model.layout.width :]
    assert float(plan.score) == pytest.approx(total)


@pytest.mark.parametrize("stop", ["end", "reference"])
@pytest.mark.parametrize("seed", range(5))
def test_a_beam_as_wide_as_all_sequences_finds_the_likeliest_of_them(seed: int, stop: str) -> None:
    model, discretizer = tiny(seed=seed)
    planned = 2 * model.layout.width - model.layout.observation
    settings = settings_of(model, beam_width=discretizer.vocabulary**planned, stop=stop)
    score, tokens = max(
        (log_probability(model, discretizer, settings, [1, *sequence], planned), [1, *sequence])
        for sequence in itertools.product(range(discretizer.vocabulary), repeat=planned)
    )
    plan = LikelihoodSearch(model, discretizer, settings).plan(torch.tensor([[1]]))
    assert plan.tokens.flatten().tolist() == tokens
    assert float(plan.score) == pytest.approx(score)


@pytest.mark.parametrize("seed", range(10))
def test_the_score_is_the_log_probability_that_a_single_forward_gives(seed: int) -> None:
    model, discretizer = tiny(bins=7, context=5, seed=seed)
    settings = settings_of(model, horizon=4, beam_width=9)
    context = random_context(model, discretizer, past=1, contexts=4, seed=seed)
    plan = LikelihoodSearch(model, discretizer, settings).plan(context)
    planned = 4 * model.layout.width - model.layout.observation
    for row in range(4):
        tokens = context[row].tolist()[:-1] + plan.tokens[row].flatten().tolist()
        expected = log_probability(model, discretizer, settings, tokens, planned)
        assert float(plan.score[row]) == pytest.approx(expected)


def test_rewards_that_do_not_count_leave_every_beam_to_states_and_actions() -> None:
    model, discretizer = tiny(bins=4)
    counted, greedy = (
        LikelihoodSearch(model, discretizer, settings_of(model, horizon=1, beam_width=4, count_rewards=count))
        for count in (True, False)
    )
    context = torch.tensor([[2]])
    action = float(model(context)[0, -1, :4].log_softmax(-1).max())
    assert float(greedy.plan(context).score) == pytest.approx(action)
    assert float(counted.plan(context).score) < action - 1e-3


def test_environments_planned_together_get_the_plans_they_get_alone() -> None:
    for seed in range(20):
        model, discretizer, settings, past = likelihood_case(seed)
        search = LikelihoodSearch(model, discretizer, settings)
        context = random_context(model, discretizer, past, contexts=5, seed=seed)
        together = search.plan(context)
        for row in range(5):
            alone = search.plan(context[row : row + 1])
            assert together.tokens[row].equal(alone.tokens[0])
            torch.testing.assert_close(together.score[row], alone.score[0])


def test_planning_in_turns_gives_the_same_plans(monkeypatch: pytest.MonkeyPatch) -> None:
    model, discretizer, settings, past = likelihood_case(12)
    search = LikelihoodSearch(model, discretizer, settings)
    context = random_context(model, discretizer, past, contexts=7, seed=1)
    goals = random_goals(model, 7, seed=2)
    at_once = search.plan(context, goals)
    tokens = settings.beam_width * settings.shown(context, model.layout)
    monkeypatch.setattr("ttf.reader.tokens_at_once", lambda device: 3 * tokens)  # noqa: ARG005
    turns: list[Tensor] = []
    plan_turn = search._plan

    def counted(turn: Tensor, goal: Tensor | None) -> Plan:
        turns.append(turn)
        return plan_turn(turn, goal)

    monkeypatch.setattr(search, "_plan", counted)
    in_turns = search.plan(context, goals)
    assert [len(turn) for turn in turns] == [3, 3, 1]
    assert in_turns.tokens.equal(at_once.tokens)
    torch.testing.assert_close(in_turns.score, at_once.score)


def test_what_follows_the_end_of_an_episode_is_certain_and_stays_in_the_beam() -> None:
    layout, bins = Layout(2, 1), 4
    discretizer = Centres(layout, bins, torch.Generator().manual_seed(0))
    model = Ending(layout, bins, context=4)
    search = LikelihoodSearch(model, discretizer, settings_of(model, horizon=3, beam_width=5))
    plan = search.plan(torch.zeros(1, 2, dtype=torch.int64))
    choices = [int(discretizer.live[column].sum()) for column in range(layout.observation, layout.width)]
    assert float(plan.score) == pytest.approx(-sum(torch.tensor(choices).double().log().tolist()))
    assert (plan.tokens[0, 1:] == discretizer.stop).all()
    assert (plan.tokens[0, 0] != discretizer.stop).all()


def test_of_equally_likely_plans_the_one_of_the_lowest_tokens_is_taken() -> None:
    layout, bins = Layout(2, 2), 50
    discretizer = Centres(layout, bins, torch.Generator().manual_seed(0))
    discretizer.live[:, :3] = False
    model = Ending(layout, bins, context=4)
    search = LikelihoodSearch(model, discretizer, settings_of(model, horizon=1, beam_width=7))
    plan = search.plan(torch.zeros(2, 2, dtype=torch.int64))
    lowest = [int(discretizer.live[column].nonzero()[0]) for column in range(layout.observation, layout.width)]
    assert min(lowest) == 3
    assert plan.tokens[:, 0, layout.observation :].tolist() == [lowest] * 2


def test_a_single_beam_moves_no_state(monkeypatch: pytest.MonkeyPatch) -> None:
    model, discretizer = tiny()
    moved: list[int] = []
    select = TiledState.select

    def counted(state: TiledState, rows: Tensor) -> TiledState:
        moved.extend([len(rows)] * (state.length > 0))  # the empty one that every window begins with moves nothing
        return select(state, rows)

    monkeypatch.setattr(TiledState, "select", counted)
    monkeypatch.setattr(gpt, "kind_of_state", lambda model: TiledState)  # noqa: ARG005
    for width in (1, 2):
        LikelihoodSearch(model, discretizer, settings_of(model, beam_width=width)).plan(torch.tensor([[1], [0]]))
        assert (len(moved) > 0) == (width > 1)


@pytest.mark.parametrize("count", [1, 2, 5, 40])
def test_the_likeliest_candidates_are_those_of_a_stable_sort(count: int) -> None:
    generator = torch.Generator().manual_seed(count)
    for _ in range(50):
        candidates: Tensor = -torch.randint(0, 4, (3, 12), generator=generator).double()
        candidates[candidates == -3] = -torch.inf
        possible = int(candidates.isfinite().sum(1).max())
        best, positions = likeliest(candidates, count)
        assert best.shape == positions.shape == (3, min(count, possible))
        for row, values in enumerate(candidates.tolist()):
            order = sorted(range(12), key=lambda position, values=values: -values[position])  # type: ignore[misc]
            assert positions[row].tolist() == order[: best.shape[1]]
            assert best[row].tolist() == [values[position] for position in order[: best.shape[1]]]
