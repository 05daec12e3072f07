"""Whole plans of the published planner, from its own weights and random numbers."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from ttf import interop
from ttf.search import BeamDecoder, BeamSearch
from ttf_plugins.beam_search import BeamSearchConfig
from ttf_plugins.gpt import GPTConfig
from ttf_plugins.quantile import QuantileConfig

VECTORS = Path(__file__).parent / "vectors"
SEEDS = (1, 2, 3)


def vectors(seed: int) -> dict[str, torch.Tensor]:
    with np.load(VECTORS / f"seed{seed}" / "original.npz") as arrays:
        return {key: torch.from_numpy(arrays[key]) for key in arrays.files}


def published_search(theirs: dict[str, torch.Tensor]) -> BeamSearch:
    """The search that a recipe of published settings builds."""
    observation, action, bins, context, layers, heads, width = theirs["config"].tolist()
    weights = interop.convert({key[3:]: tensor for key, tensor in theirs.items() if key.startswith("sd:")})
    config = GPTConfig(layers=layers, heads=heads, width=width, context=context)
    layout = weights.layout(observation, action)
    model = config.build(layout, bins)
    interop.load(model, weights)
    discretizer = QuantileConfig(bins=bins, reference=True).build(layout)
    discretizer.fit(theirs["rows"])
    horizon, beam_width, expand, transitions = theirs["plan_settings"].tolist()
    settings = BeamSearchConfig(
        horizon=horizon,
        beam_width=beam_width,
        expand=expand,
        context=transitions,
        reference_cdf=float(theirs["cdf_act"]),
        stop="reference",
    )
    decoder = settings.build(model.eval(), discretizer, discount=float(theirs["discount"]))
    assert isinstance(decoder, BeamDecoder)
    return decoder.search


@pytest.mark.parametrize("seed", SEEDS)
def test_the_plan_equals_the_published_one_token_for_token(seed: int) -> None:
    theirs = vectors(seed)
    search = published_search(theirs)
    uniforms = theirs["plan_uniforms"].unsqueeze(2)  # (H, A, 1, W * E)
    assert search.uniforms_shape(1) == uniforms.shape
    plan = search.plan(theirs["plan_context"], uniforms)
    assert plan.tokens[0].tolist() == theirs["plan"].tolist()


@pytest.mark.parametrize("seed", SEEDS)
def test_other_random_numbers_give_another_plan(seed: int) -> None:
    theirs = vectors(seed)
    uniforms = theirs["plan_uniforms"].unsqueeze(2).flip(0)
    plan = published_search(theirs).plan(theirs["plan_context"], uniforms)
    assert plan.tokens[0].tolist() != theirs["plan"].tolist()
