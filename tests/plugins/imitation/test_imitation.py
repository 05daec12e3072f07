"""The decoder gives the engine what its recipe says, and uses no random numbers."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from tests.core.toys import corridor_rows, fitted

from ttf.likelihood import LikelihoodDecoder, LikelihoodSettings
from ttf.sampling import Sampling
from ttf.testing import check_decoder
from ttf_plugins.gpt import GPTConfig
from ttf_plugins.imitation import ImitationConfig

ROWS = corridor_rows()
LAYOUT, DISCRETIZER = ROWS.layout, fitted(ROWS)
MODEL = GPTConfig(layers=1, heads=2, width=8, context=4).build(LAYOUT, DISCRETIZER.bins).eval()
CONFIG = ImitationConfig(horizon=3, beam_width=4, context=3)
CONTEXT = torch.randint(0, DISCRETIZER.bins, (5, 2 * LAYOUT.width + 2), generator=torch.Generator().manual_seed(0))


def decoder(config: ImitationConfig = CONFIG) -> LikelihoodDecoder:
    built = config.build(MODEL, DISCRETIZER, discount=0.9)
    assert isinstance(built, LikelihoodDecoder)
    return built


@pytest.mark.parametrize(
    "fields", [{}, {"window": "growing"}, {"stop": "reference"}, {"count_rewards": True, "top_k": 3, "context": 2}]
)
def test_the_contract_of_decoders_is_kept(fields: dict[str, Any]) -> None:
    check_decoder(ImitationConfig.model_validate({"horizon": 3, "beam_width": 4, "context": 3} | fields))


def test_a_plan_starts_with_the_observation_and_has_the_horizon() -> None:
    plan = decoder().plan(CONTEXT, torch.Generator())
    assert plan.tokens.shape == (5, 3, LAYOUT.width)
    assert plan.score.shape == (5,)
    assert torch.equal(plan.tokens[:, 0, LAYOUT.observations], CONTEXT[:, -2:])


def test_plans_are_always_the_same_and_no_generator_moves() -> None:
    plans = []
    for seed in (1, 2):
        torch.manual_seed(seed)
        generator = torch.Generator().manual_seed(seed)
        before = torch.get_rng_state(), generator.get_state()
        plans.append(decoder().plan(CONTEXT, generator))
        assert torch.equal(torch.get_rng_state(), before[0])
        assert torch.equal(generator.get_state(), before[1])
    assert torch.equal(plans[0].tokens, plans[1].tokens)
    assert torch.equal(plans[0].score, plans[1].score)


@pytest.mark.parametrize(
    ("window", "context", "limit"),
    [("sliding", 3, 3 * 5 - 1), ("sliding", 9, 4 * 5 - 1), ("growing", 3, 4 * 5 - 1)],  # the model reads 4
)
def test_the_window_says_how_many_tokens_the_model_is_shown(window: str, context: int, limit: int) -> None:
    config = ImitationConfig(window=window, context=context)  # type: ignore[arg-type]
    assert decoder(config).search.settings.limit == limit


def test_every_field_of_the_recipe_reaches_the_engine() -> None:
    config = ImitationConfig(
        horizon=7,
        beam_width=5,
        context=2,
        temperature=0.7,
        top_p=0.8,
        top_k=4,
        stop="reference",
        count_rewards=True,
    )
    sampling = Sampling(temperature=0.7, top_p=0.8, top_k=4)
    assert decoder(config).search.settings == LikelihoodSettings(
        horizon=7, beam_width=5, limit=9, sampling=sampling, stop="reference", count_rewards=True
    )


def test_a_wide_beam_holds_no_dead_bins_and_no_end_but_at_a_first_observation() -> None:
    assert not DISCRETIZER.live.all()
    allowed = torch.zeros(LAYOUT.width, DISCRETIZER.vocabulary, dtype=torch.bool)
    allowed[:, : DISCRETIZER.bins] = DISCRETIZER.live
    plan = decoder(ImitationConfig(horizon=4, beam_width=300, temperature=100.0, count_rewards=True)).plan(
        CONTEXT, torch.Generator()
    )
    ended = plan.tokens[..., 0] == DISCRETIZER.stop  # (B, H)
    assert (plan.tokens[ended] == DISCRETIZER.stop).all()
    columns = torch.arange(LAYOUT.width).expand_as(plan.tokens[:, 1:][~ended[:, 1:]])
    assert allowed[columns, plan.tokens[:, 1:][~ended[:, 1:]]].all()
    assert allowed[LAYOUT.actions][0][plan.tokens[:, 0, LAYOUT.actions]].all()
