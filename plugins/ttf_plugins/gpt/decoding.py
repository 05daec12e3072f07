"""The weights of a GPT as decoding reads them fastest, without what only training needs."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple, Self

import torch
from torch import Tensor, nn

if TYPE_CHECKING:
    from ttf_plugins.gpt.gpt import Block


class Affine(NamedTuple):
    """A linear map, its weight as products of few rows read it fastest."""

    weight: Tensor
    """(inputs, outputs)."""

    bias: Tensor
    """(outputs,)."""

    @classmethod
    def of(cls, layer: nn.Linear, scales: Tensor | None = None) -> Self:
        """That of a layer, its outputs times scales (outputs,) if there are any; on a processor a copy."""
        weight: Tensor = layer.weight.t()
        bias: Tensor = layer.bias
        if scales is not None:
            weight, bias = weight * scales, bias * scales
        return cls(weight.contiguous() if weight.device.type == "cpu" else weight, bias.contiguous())

    def __call__(self, x: Tensor) -> Tensor:
        """What it makes (R, outputs) of x (R, inputs)."""
        return torch.addmm(self.bias, x, self.weight)


class Norm(NamedTuple):
    """A layer norm."""

    weight: Tensor
    bias: Tensor
    eps: float

    def __call__(self, x: Tensor) -> Tensor:
        """Rows of x (R, width), normalised."""
        return torch.layer_norm(x, self.weight.shape, self.weight, self.bias, self.eps)


class Arrays(NamedTuple):
    """The vectors of a block, for loops over their numbers."""

    ln1: tuple[Any, Any, float]
    """Weight, bias and epsilon of the first norm."""

    qkv: Any
    """(3, heads, size)."""

    proj: Any
    ln2: tuple[Any, Any, float]
    up: Any
    down: Any

    nothing: Any
    """Zeros (width,)."""


@dataclass(frozen=True)
class Layer:
    """The weights of a block."""

    ln1: Norm
    qkv: Affine
    proj: Affine
    ln2: Norm
    up: Affine
    down: Affine
    heads: int

    @classmethod
    def of(cls, block: Block) -> Self:
        """Those of a block; queries are scaled as their products with keys are to be."""
        norms = [Norm(norm.weight.contiguous(), norm.bias.contiguous(), norm.eps) for norm in (block.ln1, block.ln2)]
        width = len(block.attn.proj.bias)
        scales = torch.ones_like(block.attn.qkv.bias)
        scales[:width].fill_((width / block.attn.heads) ** -0.5)
        up, down = (layer for layer in block.mlp if isinstance(layer, nn.Linear))
        maps = [Affine.of(layer) for layer in (block.attn.proj, up, down)]
        return cls(norms[0], Affine.of(block.attn.qkv, scales), maps[0], norms[1], maps[1], maps[2], block.attn.heads)

    @cached_property
    def arrays(self) -> Arrays:
        """Its vectors."""
        norms = [(norm.weight.detach().numpy(), norm.bias.detach().numpy(), norm.eps) for norm in (self.ln1, self.ln2)]
        qkv, proj, up, down = (each.bias.detach().numpy() for each in (self.qkv, self.proj, self.up, self.down))
        nothing = torch.zeros_like(self.down.bias).numpy()
        return Arrays(norms[0], qkv.reshape(3, self.heads, -1), proj, norms[1], up, down, nothing)
