"""The decoder gives the engine what its recipe says, and draws from the generator it is given only."""

from __future__ import annotations

import random
from typing import Any

import numpy as np
import pytest
import torch
from tests.core.toys import corridor_rows, fitted

from ttf.sampling import Sampling
from ttf.search import BeamDecoder, BeamSettings
from ttf.testing import check_decoder
from ttf_plugins.beam_search import BeamSearchConfig
from ttf_plugins.gpt import GPTConfig

ROWS = corridor_rows()
LAYOUT, DISCRETIZER = ROWS.layout, fitted(ROWS)
MODEL = GPTConfig(layers=1, heads=2, width=8, context=4).build(LAYOUT, DISCRETIZER.bins).eval()
CONFIG = BeamSearchConfig(horizon=3, beam_width=4, expand=2, context=3)
CONTEXT = torch.randint(0, DISCRETIZER.bins, (5, 2 * LAYOUT.width + 2), generator=torch.Generator().manual_seed(0))


def decoder(config: BeamSearchConfig = CONFIG) -> BeamDecoder:
    built = config.build(MODEL, DISCRETIZER, discount=0.9)
    assert isinstance(built, BeamDecoder)
    return built


@pytest.mark.parametrize(
    "fields", [{}, {"window": "growing"}, {"stop": "reference"}, {"observation_top_p": 0.9, "top_p": 0.8, "context": 2}]
)
def test_the_contract_of_decoders_is_kept(fields: dict[str, Any]) -> None:
    check_decoder(BeamSearchConfig.model_validate({"horizon": 3, "beam_width": 4, "context": 3} | fields))


def test_a_plan_starts_with_the_observation_and_has_the_horizon() -> None:
    plan = decoder().plan(CONTEXT, torch.Generator().manual_seed(1))
    assert plan.tokens.shape == (5, 3, LAYOUT.width)
    assert plan.score.shape == (5,)
    assert torch.equal(plan.tokens[:, 0, LAYOUT.observations], CONTEXT[:, -2:])


def test_equal_generators_give_equal_plans_and_others_do_not() -> None:
    plans = [decoder().plan(CONTEXT, torch.Generator().manual_seed(seed)) for seed in (1, 1, 2)]
    assert torch.equal(plans[0].tokens, plans[1].tokens)
    assert torch.equal(plans[0].score, plans[1].score)
    assert not torch.equal(plans[0].tokens, plans[2].tokens)


def test_a_plan_neither_reads_nor_moves_the_global_generators() -> None:
    plans = []
    for seed in (1, 2):
        torch.manual_seed(seed)
        np.random.seed(seed)
        random.seed(seed)
        before = torch.get_rng_state(), random.getstate(), str(np.random.get_state(legacy=False))
        plans.append(decoder().plan(CONTEXT, torch.Generator().manual_seed(7)).tokens)
        assert torch.equal(torch.get_rng_state(), before[0])
        assert (random.getstate(), str(np.random.get_state(legacy=False))) == before[1:]
    assert torch.equal(*plans)


def test_the_generator_moves_on_so_that_the_next_plan_differs() -> None:
    generator, one = torch.Generator().manual_seed(1), decoder()
    assert not torch.equal(one.plan(CONTEXT, generator).tokens, one.plan(CONTEXT, generator).tokens)


@pytest.mark.parametrize(
    ("window", "context", "limit"),
    [("sliding", 3, 3 * 5 - 1), ("sliding", 9, 4 * 5 - 1), ("growing", 3, 4 * 5 - 1)],  # the model reads 4
)
def test_the_window_says_how_many_tokens_the_model_is_shown(window: str, context: int, limit: int) -> None:
    config = BeamSearchConfig(window=window, context=context)  # type: ignore[arg-type]
    assert decoder(config).search.settings.limit == limit


def test_every_field_of_the_recipe_reaches_the_engine() -> None:
    config = BeamSearchConfig(
        horizon=7,
        beam_width=5,
        expand=3,
        context=2,
        temperature=0.7,
        reference_cdf=0.6,
        top_p=0.8,
        k_act=4,
        stop="reference",
    )
    sampling = Sampling(temperature=0.7, reference_cdf=0.6, top_p=0.8, top_k=4)
    assert decoder(config).search.settings == BeamSettings(
        horizon=7, beam_width=5, expand=3, limit=9, discount=0.9, sampling=sampling, stop="reference"
    )


def test_a_wider_beam_never_scores_less_when_it_holds_the_narrow_one() -> None:
    greedy = BeamSearchConfig(horizon=1, beam_width=1, expand=1, context=3)
    wide = BeamSearchConfig(horizon=1, beam_width=64, expand=1, context=3)
    narrow_search, wide_search = decoder(greedy).search, decoder(wide).search
    uniforms = torch.rand(wide_search.uniforms_shape(5), generator=torch.Generator().manual_seed(0))
    narrow = narrow_search.plan(CONTEXT, uniforms[..., :1])
    assert (wide_search.plan(CONTEXT, uniforms).score >= narrow.score - 1e-6).all()


def test_planned_actions_are_never_dead_bins_or_the_stop_token() -> None:
    assert not DISCRETIZER.live.all()
    plan = decoder(BeamSearchConfig(horizon=4, beam_width=32, expand=2, temperature=100.0)).plan(
        CONTEXT, torch.Generator().manual_seed(0)
    )
    actions = plan.tokens[:, 0, LAYOUT.actions]
    live = torch.zeros(DISCRETIZER.vocabulary, dtype=torch.bool)
    live[: DISCRETIZER.bins] = DISCRETIZER.live[LAYOUT.actions][0]
    assert live[actions].all()
