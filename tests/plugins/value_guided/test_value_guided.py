"""The score is the declared formula: plans equal those of the slow, obvious search that is told it in plain Python."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any, Literal

import pytest
import torch
from tests.core.search_cases import random_case, random_context
from tests.core.toys import corridor_rows, fitted, tiny_recipe
from torch import Tensor

from ttf.errors import RecipeError
from ttf.interfaces.critic import Critic
from ttf.recipe import load
from ttf.search import BeamDecoder, BeamSearch
from ttf.testing import check_decoder
from ttf.testing.search import Planned, compare_searches
from ttf_plugins.beam_search import BeamSearchConfig
from ttf_plugins.gpt import GPTConfig
from ttf_plugins.value_guided import ValueGuidedConfig
from ttf_plugins.value_guided.value_guided import score_of

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from ttf.interfaces.discretizer import Discretizer
    from ttf.interfaces.learner import Transitions
    from ttf.registry import Registry

CASES_PER_FORMULA = 30


class Formula(Critic):
    """Q by a formula, rounded so that it is the same alone as in a batch; counts what it was asked."""

    def __init__(self) -> None:
        super().__init__()
        self.asked = 0

    def value(self, observations: Tensor) -> Tensor:
        return torch.cos(2 * observations.sum(-1)).round(decimals=6)

    def action_value(self, observations: Tensor, actions: Tensor) -> Tensor:
        self.asked += len(actions)
        values = 3 * torch.sin(2 * observations.sum(-1)) - (actions - 0.3).square().sum(-1)
        return values.round(decimals=6)

    def prepare(self, transitions: Transitions) -> None:
        raise NotImplementedError

    def optimizers(self) -> Mapping[str, torch.optim.Optimizer]:
        raise NotImplementedError

    def update(self, batch: Transitions) -> Mapping[str, Tensor]:
        raise NotImplementedError


def with_subgoal(discretizer: Discretizer) -> Discretizer:
    """The same, for actions of which the first dimension is where the first of the observation is to be moved."""
    discretizer.layout = replace(discretizer.layout, subgoal_columns=(0,))
    return discretizer


def by_hand(config: ValueGuidedConfig, discretizer: Discretizer, plan: list[Planned], discount: float) -> Tensor:
    """The scores of plans of transitions 0 to t, as the component's description has them."""
    layout = discretizer.layout

    def second_term(i: int) -> Tensor:
        tokens, reward, value, ended = plan[i]
        seen = discretizer.decode(tokens[:, : layout.observation], 0)
        acted = discretizer.decode(tokens[:, layout.observation : layout.reward], layout.observation)
        if layout.subgoal:
            there = torch.cat([seen[:, :1] + acted[:, :1], seen[:, 1:]], dim=1)
            q = Formula().value(there)
        else:
            q = Formula().action_value(seen, acted)
        return torch.where(ended, 0.0, discount**i * ((1 - config.mix) * q + config.mix * (reward + discount * value)))

    t, nothing = len(plan) - 1, torch.tensor(0.0)
    rewards = sum((discount**i * plan[i].reward for i in range(t)), nothing) if config.use_rewards else nothing
    steps = [t] if config.q_at == "leaf" else range(t + 1)
    return rewards + sum((second_term(i) for i in steps), nothing)


def best_in_order(scores: Tensor, count: int) -> Tensor:
    """Of candidates that score the same, as those do whose last transitions are the same, the first."""
    return scores.sort(dim=1, descending=True, stable=True).indices[:, :count]


@pytest.mark.parametrize("subgoal", [False, True])
@pytest.mark.parametrize("q_at", ["leaf", "every_step"])
@pytest.mark.parametrize("use_rewards", [True, False])
@pytest.mark.parametrize("mix", [0.0, 0.4, 1.0])
def test_plans_and_scores_are_those_of_the_formula_worked_out_by_hand(
    q_at: Literal["leaf", "every_step"], use_rewards: bool, mix: float, subgoal: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ttf.search.best_rows", best_in_order)
    config = ValueGuidedConfig(q_at=q_at, use_rewards=use_rewards, mix=mix)
    for seed in range(CASES_PER_FORMULA):
        model, discretizer, settings, past = random_case(seed)
        discretizer = with_subgoal(discretizer) if subgoal else discretizer
        search = BeamSearch(model, discretizer, settings, score_of(config, discretizer, Formula()))
        context = random_context(model, discretizer, past, 1, seed)
        uniforms = torch.rand(
            search.uniforms_shape(1), generator=torch.Generator().manual_seed(seed), dtype=torch.float64
        )
        compared = compare_searches(search, context, uniforms, score=partial(by_hand, config, discretizer))
        assert compared.differing == 0, f"case {seed}"
        torch.testing.assert_close(compared.plan.score, compared.reference.score, rtol=1e-9, atol=1e-9)


def test_the_cases_above_have_plans_that_end_and_plans_of_several_transitions() -> None:
    horizons = [random_case(seed)[2].horizon for seed in range(CASES_PER_FORMULA)]
    assert sum(horizon > 2 for horizon in horizons) > 5
    ended = 0
    for seed in range(CASES_PER_FORMULA):
        model, discretizer, settings, past = random_case(seed)
        search = BeamSearch(model, discretizer, settings)
        uniforms = torch.rand(search.uniforms_shape(1), generator=torch.Generator().manual_seed(seed)).double()
        plan = search.plan(random_context(model, discretizer, past, 1, seed), uniforms)
        ended += bool((plan.tokens[0, 1:, 0] == discretizer.stop).any())
    assert ended > 2


ROWS = corridor_rows()
DISCRETIZER = fitted(ROWS)
MODEL = GPTConfig(layers=1, heads=2, width=8, context=4).build(ROWS.layout, DISCRETIZER.bins).eval()
CONTEXT = torch.randint(0, DISCRETIZER.bins, (5, 2 * ROWS.layout.width + 2), generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize(
    "fields", [{}, {"window": "growing"}, {"q_at": "every_step", "mix": 0.5}, {"use_rewards": False, "context": 2}]
)
def test_the_contract_of_decoders_is_kept(fields: dict[str, Any]) -> None:
    check_decoder(ValueGuidedConfig.model_validate({"horizon": 3, "beam_width": 4, "context": 3} | fields))


def test_with_the_models_own_value_only_plans_are_exactly_those_of_beam_search_and_the_critic_is_not_asked() -> None:
    critic = Formula()
    guided = ValueGuidedConfig(horizon=4, beam_width=8, expand=2, context=3, mix=1.0)
    published = BeamSearchConfig(horizon=4, beam_width=8, expand=2, context=3)
    plans = [
        config.build(MODEL, DISCRETIZER, discount=0.9, critic=critic).plan(CONTEXT, torch.Generator().manual_seed(7))
        for config in (guided, published)
    ]
    assert torch.equal(plans[0].tokens, plans[1].tokens)
    assert torch.equal(plans[0].score, plans[1].score)
    assert critic.asked == 0


def test_every_search_option_of_the_recipe_reaches_the_engine() -> None:
    fields = {"horizon": 7, "beam_width": 5, "expand": 3, "context": 2, "temperature": 0.7, "top_p": 0.8, "k_act": 4}
    decoders = [
        config.build(MODEL, DISCRETIZER, discount=0.9, critic=Formula())
        for config in (ValueGuidedConfig.model_validate(fields), BeamSearchConfig.model_validate(fields))
    ]
    settings = [decoder.search.settings for decoder in decoders if isinstance(decoder, BeamDecoder)]
    assert settings[0] == settings[1]
    assert len(settings) == 2


def test_without_a_critic_validation_says_so_in_one_line(builtin_registry: Registry, tmp_path: Path) -> None:
    file = tmp_path / "guided.yaml"
    file.write_text(
        "name: guided\ndata: {kind: minari}\ndiscretizer: {kind: quantile}\nmodel: {kind: gpt}\ntraining: {}\n"
        "decoder: {kind: value_guided}\n"
    )
    with pytest.raises(RecipeError) as error:
        load(file, builtin_registry)
    assert str(error.value) == f"{file}:6:17: decoder 'value_guided' needs a 'critic' section"


def test_a_decoder_built_without_a_critic_says_so_too() -> None:
    assert tiny_recipe().critic is None
    with pytest.raises(RecipeError, match=r"^decoder 'value_guided' needs a critic$"):
        ValueGuidedConfig().build(MODEL, DISCRETIZER, discount=0.9, critic=None)
