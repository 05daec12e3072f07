"""Logits and loss of the published models, from their own weights."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch

from ttf import interop
from ttf.episodes import Batch
from ttf.layout import Layout
from ttf.loss import TokenLoss
from ttf.sections import TrainingConfig
from ttf_plugins.gpt import GPTConfig
from ttf_plugins.quantile import QuantileConfig

if TYPE_CHECKING:
    from ttf.interfaces.model import SequenceModel

VECTORS = Path(__file__).parent / "vectors"
SEEDS = (1, 2, 3)


def vectors(seed: int, name: str) -> dict[str, torch.Tensor]:
    with np.load(VECTORS / f"seed{seed}" / f"{name}.npz") as arrays:
        return {key: torch.from_numpy(arrays[key]) for key in arrays.files}


def loaded(theirs: dict[str, torch.Tensor]) -> tuple[SequenceModel, interop.Weights]:
    weights = interop.convert({key[3:]: tensor for key, tensor in theirs.items() if key.startswith("sd:")})
    observation, action, bins, context, layers, heads, width = theirs["config"].tolist()
    assert (weights.bins, weights.context, weights.layers, weights.width) == (bins, context, layers, width)
    config = GPTConfig(context=weights.context, layers=weights.layers, heads=heads, width=weights.width)
    model = config.build(weights.layout(observation, action), weights.bins)
    interop.load(model, weights)
    return model.eval(), weights


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize(("name", "kind"), [("original", "original"), ("hf", "huggingface")])
@torch.no_grad()
def test_logits_equal_the_published_models(seed: int, name: str, kind: str) -> None:
    theirs = vectors(seed, name)
    model, weights = loaded(theirs)
    assert (weights.format, weights.stop) == (kind, True)
    torch.testing.assert_close(model(theirs["x"]), theirs["logits"], rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("seed", SEEDS)
@torch.no_grad()
def test_logits_equal_the_forks_and_the_stop_token_is_out_of_reach(seed: int) -> None:
    theirs = vectors(seed, "fork")
    model, weights = loaded(theirs)
    assert (weights.format, weights.stop) == ("fork", False)
    logits = model(theirs["x"][:, : model.block])
    torch.testing.assert_close(logits[..., :-1], theirs["logits"][:, : model.block], rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(logits[..., -1], torch.full(logits.shape[:2], -100.0), rtol=0, atol=0.05)


@pytest.mark.parametrize("seed", SEEDS)
@torch.no_grad()
def test_the_loss_equals_the_originals(seed: int) -> None:
    theirs = vectors(seed, "original")
    model, weights = loaded(theirs)
    discretizer = QuantileConfig(bins=weights.bins, reference=True).build(Layout(3, 2))
    discretizer.fit(theirs["rows"])
    loss = TokenLoss(discretizer, TrainingConfig(dead_bins="reference"), model.block)
    batch = Batch(theirs["x"][:, :0], theirs["x"], theirs["y"], theirs["loss_mask"])
    torch.testing.assert_close(loss(model(theirs["x"]), batch), theirs["loss"], rtol=1e-5, atol=1e-5)
