"""The blocks of a GPT without what only training needs: a few large operations a token."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Self

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812  (the field's name for it)

if TYPE_CHECKING:
    from collections.abc import Callable

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
        return cls(weight.contiguous() if weight.device.type == "cpu" else weight, bias)

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


class Layer(NamedTuple):
    """The weights of a block."""

    ln1: Norm
    qkv: Affine
    proj: Affine
    ln2: Norm
    up: Affine
    down: Affine

    @classmethod
    def of(cls, block: Block) -> Self:
        """Those of a block; queries are scaled as their products with keys are to be."""
        norms = [Norm(norm.weight, norm.bias, norm.eps) for norm in (block.ln1, block.ln2)]
        width = len(block.attn.proj.bias)
        scales = torch.ones_like(block.attn.qkv.bias)
        scales[:width].fill_((width / block.attn.heads) ** -0.5)
        up, down = (layer for layer in block.mlp if isinstance(layer, nn.Linear))
        maps = [Affine.of(layer) for layer in (block.attn.proj, up, down)]
        return cls(norms[0], Affine.of(block.attn.qkv, scales), maps[0], norms[1], maps[1], maps[2])

    def __call__(self, x: Tensor, tokens: int, attend: Callable[[Tensor, int], Tensor], number: int) -> Tensor:
        """The residual stream (R * queries, width) after the block, as in :class:`ttf_plugins.gpt.gpt.Block`.

        Args:
            x: the stream before it (R * tokens, width).
            tokens: of each row.
            attend: what the last tokens gather (R, queries, width), of queries, keys and values (R, tokens, 3 * width)
                and the number of the block.
            number: of the block, the first is 0.
        """
        gathered = attend(self.qkv(self.ln1(x)).view(-1, tokens, 3 * x.shape[1]), number)
        if gathered.shape[1] < tokens:
            x = x.view(-1, tokens, x.shape[1])[:, -gathered.shape[1] :].reshape(-1, x.shape[1])
        x = self.proj(gathered.view(-1, x.shape[1])).add_(x)
        return self.down(F.gelu(self.up(self.ln2(x)))).add_(x)
