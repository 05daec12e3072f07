"""Ways of looking into a sequence model, for the tests of every kind."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from ttf.layout import Layout

if TYPE_CHECKING:
    from ttf.component import ModelConfig
    from ttf.interfaces.model import SequenceModel

cases = given(
    layout=st.builds(Layout, st.integers(1, 4), st.integers(1, 3)),
    bins=st.integers(2, 6),
    context=st.integers(2, 4),
    seed=st.integers(0, 1000),
)


def shaken(config: ModelConfig, layout: Layout, bins: int, context: int) -> SequenceModel:
    """A model in which everything that can have an effect has one."""
    model = config.model_copy(update={"context": context}).build(layout, bins).double().eval()
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.3 * torch.randn(parameter.shape, generator=generator, dtype=torch.float64))
    return model


def random_tokens(model: SequenceModel, seed: int, batch: int = 1) -> Tensor:
    """Tokens (batch, block), stop tokens among them."""
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(0, model.bins + 1, (batch, model.block), generator=generator)


def changed_positions(model: SequenceModel, tokens: Tensor, at: int, goal: Tensor | None = None) -> list[int]:
    """Where logits differ once the token at a position is another one."""
    other = tokens.clone()
    other[0, at] = (other[0, at] + 1) % (model.bins + 1)
    with torch.no_grad():
        difference = (model(tokens, goal) - model(other, goal)).abs().amax((0, 2))
    return [position for position, changed in enumerate((difference > 1e-13).tolist()) if changed]
