"""The search engine returns what the slow, obvious search returns, token for token."""

from __future__ import annotations

import random
from dataclasses import dataclass

import pytest
import torch
from tests.core.slow_search import SlowSearch
from torch import Tensor, nn

from ttf.interfaces.discretizer import Discretizer
from ttf.interfaces.model import SequenceModel, State
from ttf.layout import Layout
from ttf.sampling import Sampling
from ttf.search import BeamSearch, BeamSettings
from ttf_plugins.gpt import GPTConfig

CASES, CASES_PER_TEST = 1200, 100


class Centres(Discretizer):
    """Random representative values and random dead bins; all a search needs of a discretizer."""

    def __init__(self, layout: Layout, bins: int, generator: torch.Generator) -> None:
        super().__init__(layout, bins)
        self.centres = torch.randn(layout.width, bins, generator=generator, dtype=torch.float64)
        self.live = torch.rand(layout.width, bins, generator=generator) < 0.8
        self.live[:, 0] = True

    def fit(self, rows: Tensor) -> None:
        raise NotImplementedError

    def encode(self, values: Tensor, at: int = 0) -> Tensor:
        raise NotImplementedError

    def decode(self, tokens: Tensor, at: int = 0) -> Tensor:
        raise NotImplementedError

    def outside(self, values: Tensor, at: int = 0) -> Tensor:
        raise NotImplementedError

    def expectation(self, probabilities: Tensor, at: int) -> Tensor:
        return probabilities @ self.centres[at]


def random_case(seed: int) -> tuple[SequenceModel, Discretizer, BeamSettings, int]:
    """A tiny model with large random weights, a discretizer, settings and a number of past transitions."""
    choose, generator = random.Random(seed), torch.Generator().manual_seed(seed)
    layout = Layout(choose.randint(1, 3), choose.randint(1, 2))
    bins, context = choose.randint(2, 6), choose.randint(2, 4)
    config = GPTConfig(
        layers=choose.randint(1, 2),
        heads=2,
        width=8,
        context=context,
        value_leak=choose.choice(["reference", "blocked"]),
    )
    model = config.build(layout, bins).double().eval()
    for parameter in model.parameters():
        parameter.data = torch.randn(parameter.shape, generator=generator, dtype=torch.float64) * 0.5
    horizon, past = choose.randint(1, 4), choose.randint(0, 4)
    sliding = choose.random() < 0.5
    settings = BeamSettings(
        horizon=horizon,
        beam_width=choose.randint(1, 4),
        expand=choose.randint(1, 3),
        limit=layout.block(choose.randint(2, context)) if sliding else model.block,
        discount=choose.choice([0.9, 0.99, 1.0]),
        sampling=Sampling(
            temperature=choose.choice([1.0, 0.7]),
            reference_cdf=choose.choice([None, None, 0.6]),
            top_p=choose.choice([None, 0.5]),
            top_k=choose.choice([None, 2]),
        ),
        stop=choose.choice(["end", "reference"]),
    )
    return model, Centres(layout, bins, generator), settings, past


@pytest.mark.parametrize("first", range(0, CASES, CASES_PER_TEST))
def test_the_engine_plans_what_the_obvious_search_plans(first: int) -> None:
    for seed in range(first, first + CASES_PER_TEST):
        model, discretizer, settings, past = random_case(seed)
        search = BeamSearch(model, discretizer, settings)
        generator = torch.Generator().manual_seed(seed)
        contexts = 1 + seed % 3
        length = past * model.layout.width + model.layout.observation
        context = torch.randint(discretizer.vocabulary, (contexts, length), generator=generator)
        uniforms = torch.rand(search.uniforms_shape(contexts), generator=generator, dtype=torch.float64)
        plan = search.plan(context, uniforms)
        with torch.inference_mode():
            for row in range(contexts):
                slow = SlowSearch(model, discretizer, settings)
                tokens, score = slow.plan(context[row].tolist(), uniforms[:, :, row])
                assert plan.tokens[row].flatten().tolist() == tokens, f"case {seed}, context {row}"
                assert float(plan.score[row]) == pytest.approx(score, rel=1e-9, abs=1e-9)


def test_planning_in_turns_gives_the_same_plans(monkeypatch: pytest.MonkeyPatch) -> None:
    model, discretizer, settings, past = random_case(11)
    search = BeamSearch(model, discretizer, settings)
    length = past * model.layout.width + model.layout.observation
    context = torch.randint(discretizer.vocabulary, (7, length), generator=torch.Generator().manual_seed(1))
    uniforms = torch.rand(search.uniforms_shape(7), generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    at_once = search.plan(context, uniforms)
    monkeypatch.setattr("ttf.search.ROWS_AT_ONCE", 3 * uniforms.shape[-1])
    in_turns = search.plan(context, uniforms)
    assert in_turns.tokens.equal(at_once.tokens)
    torch.testing.assert_close(in_turns.score, at_once.score)


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


@dataclass(frozen=True)
class Count:
    """Remembers nothing but how much was read."""

    length: int

    def select(self, rows: Tensor) -> Count:
        return self


class Ending(SequenceModel):
    """Predicts the end of the episode after every transition, and knows nothing else."""

    def forward(self, tokens: Tensor) -> Tensor:
        return self.step(tokens, Count(0))[0]

    def start(self, batch: int, capacity: int) -> State:
        return Count(0)

    def step(self, tokens: Tensor, state: State) -> tuple[Tensor, State]:
        logits = torch.zeros(*tokens.shape, self.bins + 1, dtype=torch.float64)
        slots = torch.tensor(self.layout.slots(tokens.shape[1], state.length))
        logits[:, slots == self.layout.value, self.bins] = 100.0
        return logits, Count(state.length + tokens.shape[1])

    def decayed_parameters(self) -> list[nn.Parameter]:
        return []


def test_a_plan_that_ends_earns_the_rewards_until_then_and_nothing_more() -> None:
    layout, bins = Layout(2, 1), 4
    discretizer = Centres(layout, bins, torch.Generator().manual_seed(0))
    settings = BeamSettings(
        horizon=3, beam_width=2, expand=2, limit=layout.block(4), discount=0.9, sampling=Sampling(), stop="end"
    )
    search = BeamSearch(Ending(layout, bins, context=4), discretizer, settings)
    plan = search.plan(torch.zeros(1, 2, dtype=torch.int64), torch.zeros(search.uniforms_shape(1)).double())
    reward = discretizer.centres[layout.reward][discretizer.live[layout.reward]].mean()
    assert float(plan.score) == pytest.approx(float(reward))
    assert (plan.tokens[0, 1:] == discretizer.stop).all()
    assert (plan.tokens[0, 0] != discretizer.stop).all()
