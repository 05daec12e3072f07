"""The search engine returns what the slow, obvious search returns, token for token."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import torch
from tests.core.search_cases import Centres, Ending, beam_settings, random_case, random_context, random_goals, stored

from ttf.interfaces.model import SequenceModel, State
from ttf.layout import Layout
from ttf.sampling import Sampling
from ttf.search import BeamSearch
from ttf.testing.search import Comparison, compare_searches
from ttf_plugins.gpt import GPTConfig
from ttf_plugins.lstm import LSTMConfig
from ttf_plugins.markov import MarkovConfig

if TYPE_CHECKING:
    from collections.abc import Iterable

    from torch import Tensor, nn

    from ttf.component import ModelConfig

CASES, CASES_PER_TEST = 1200, 100
TOKENS = 10_000


@pytest.mark.parametrize("first", range(0, CASES, CASES_PER_TEST))
def test_the_engine_plans_what_the_obvious_search_plans(first: int) -> None:
    for seed in range(first, first + CASES_PER_TEST):
        compared = compared_in_case(seed, torch.float64)
        assert compared.differing == 0, f"case {seed}"
        torch.testing.assert_close(compared.plan.score, compared.reference.score, rtol=1e-9, atol=1e-9)


def test_it_does_in_float32_too() -> None:
    compared = [compared_in_case(seed, torch.float32) for seed in range(CASES)]
    assert sum(comparison.differing for comparison in compared) == 0
    assert sum(comparison.tokens for comparison in compared) > TOKENS


def compared_in_case(seed: int, dtype: torch.dtype) -> Comparison:
    """The engine and the obvious search, for up to three contexts at once."""
    model, discretizer, settings, past = random_case(seed, dtype)
    search, contexts = BeamSearch(model, discretizer, settings), 1 + seed % 3
    context = random_context(model, discretizer, past, contexts, seed)
    uniforms = torch.rand(search.uniforms_shape(contexts), generator=torch.Generator().manual_seed(seed), dtype=dtype)
    with stored(seed):
        return compare_searches(search, context, uniforms, random_goals(model, contexts, seed))


class Counting(SequenceModel):
    """A model that counts how often it is asked to continue sequences, and hides what else it can do."""

    def __init__(self, model: SequenceModel) -> None:
        super().__init__(model.layout, model.bins, model.context)
        self.model, self.steps = model, 0

    def forward(self, tokens: Tensor, goal: Tensor | None = None) -> Tensor:
        logits: Tensor = self.model(tokens, goal)
        return logits

    def start(self, batch: int, capacity: int, goal: Tensor | None = None) -> State:
        return self.model.start(batch, capacity, goal)

    def step(self, tokens: Tensor, state: State) -> tuple[Tensor, State]:
        self.steps += 1
        return self.model.step(tokens, state)

    def decayed_parameters(self) -> Iterable[nn.Parameter]:
        return self.model.decayed_parameters()


@pytest.mark.parametrize("kind", [GPTConfig, LSTMConfig, MarkovConfig])
def test_speculation_makes_the_same_plan_in_fewer_steps(kind: type[ModelConfig]) -> None:
    layout, generator = Layout(6, 3), torch.Generator().manual_seed(0)
    torch.manual_seed(0)
    model = kind.model_validate({"layers": 2, "width": 16, "context": 3}).build(layout, 8).double().eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.copy_(0.3 * torch.randn(parameter.shape, generator=generator, dtype=torch.float64))
    discretizer = Centres(layout, 8, generator)
    context = torch.randint(8, (2, layout.width + layout.observation), generator=generator)
    plans, steps = [], []
    for speculate in ("off", "on"):
        settings = beam_settings(model, horizon=4, sampling=Sampling(top_p=0.5), speculate=speculate)
        search = BeamSearch(Counting(model), discretizer, settings)
        uniforms = torch.rand(search.uniforms_shape(2), generator=torch.Generator().manual_seed(1), dtype=torch.float64)
        plans.append(search.plan(context, uniforms))
        assert isinstance(search.model, Counting)
        steps.append(search.model.steps)
    assert plans[0].tokens.equal(plans[1].tokens)
    torch.testing.assert_close(plans[0].score, plans[1].score)
    assert steps[1] < 0.8 * steps[0]


def test_planning_in_turns_gives_the_same_plans(monkeypatch: pytest.MonkeyPatch) -> None:
    model, discretizer, settings, past = random_case(11)
    search = BeamSearch(model, discretizer, settings)
    length = past * model.layout.width + model.layout.observation
    context = torch.randint(discretizer.vocabulary, (7, length), generator=torch.Generator().manual_seed(1))
    uniforms = torch.rand(search.uniforms_shape(7), generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    goals = random_goals(model, 7, seed=3)
    at_once = search.plan(context, uniforms, goals)
    tokens = uniforms.shape[-1] * settings.shown(context, model.layout)
    monkeypatch.setattr("ttf.reader.tokens_at_once", lambda device: 3 * tokens)  # noqa: ARG005
    in_turns = search.plan(context, uniforms, goals)
    assert in_turns.tokens.equal(at_once.tokens)
    torch.testing.assert_close(in_turns.score, at_once.score)


def test_a_plan_without_a_goal_is_one_for_an_unknown_goal_and_another_goal_makes_another_plan() -> None:
    model, discretizer, settings, past = random_case(11)
    assert model.layout.goal == 2
    search, differs = BeamSearch(model, discretizer, settings), 0
    context = torch.randint(discretizer.vocabulary, (1, past * model.layout.width + model.layout.observation))
    for seed in range(20):
        uniforms = torch.rand(search.uniforms_shape(1), generator=torch.Generator().manual_seed(seed)).double()
        without = search.plan(context, uniforms)
        unknown = search.plan(context, uniforms, torch.full((1, 2), model.bins))
        assert without.tokens.equal(unknown.tokens)
        torch.testing.assert_close(without.score, unknown.score)
        differs += not search.plan(context, uniforms, torch.zeros(1, 2, dtype=torch.int64)).score.equal(without.score)
    assert differs == 20


def test_environments_planned_together_get_the_plans_they_get_alone() -> None:
    model, discretizer, settings, past = random_case(7)
    search = BeamSearch(model, discretizer, settings)
    length = past * model.layout.width + model.layout.observation
    context = torch.randint(discretizer.vocabulary, (5, length), generator=torch.Generator().manual_seed(1))
    uniforms = torch.rand(search.uniforms_shape(5), generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    together = search.plan(context, uniforms).tokens
    for row in range(5):
        alone = search.plan(context[row : row + 1], uniforms[:, :, row : row + 1]).tokens
        assert together[row].equal(alone[0])


def test_a_plan_that_ends_earns_the_rewards_until_then_and_nothing_more() -> None:
    layout, bins = Layout(2, 1), 4
    discretizer = Centres(layout, bins, torch.Generator().manual_seed(0))
    model = Ending(layout, bins, context=4)
    search = BeamSearch(model, discretizer, beam_settings(model, horizon=3, sampling=Sampling(), beam_width=2))
    plan = search.plan(torch.zeros(1, 2, dtype=torch.int64), torch.zeros(search.uniforms_shape(1)).double())
    reward = discretizer.centres[layout.reward][discretizer.live[layout.reward]].mean()
    assert float(plan.score) == pytest.approx(float(reward))
    assert (plan.tokens[0, 1:] == discretizer.stop).all()
    assert (plan.tokens[0, 0] != discretizer.stop).all()
