"""The weights of a GPT as decoding reads them fastest."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple, Self

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812  (the field's name for it)

if TYPE_CHECKING:
    from ttf.layout import Layout
    from ttf_plugins.gpt.gpt import GPT, Block


def _for_few_rows(weight: Tensor) -> Tensor:
    """A weight (..., inputs, outputs) as products of few rows read it fastest; on a processor a copy."""
    return weight.contiguous() if weight.device.type == "cpu" else weight


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
        return cls(_for_few_rows(weight), bias.contiguous())

    def __call__(self, x: Tensor) -> Tensor:
        """What it makes (R, outputs) of x (R, inputs)."""
        return torch.addmm(self.bias, x, self.weight)


class Norm(NamedTuple):
    """A layer norm."""

    weight: Tensor
    bias: Tensor
    eps: float

    @classmethod
    def of(cls, norm: nn.LayerNorm) -> Self:
        """That of a module."""
        return cls(norm.weight.contiguous(), norm.bias.contiguous(), norm.eps)

    def __call__(self, x: Tensor) -> Tensor:
        """Rows of x (R, width), normalised."""
        return torch.layer_norm(x, self.weight.shape, self.weight, self.bias, self.eps)

    @property
    def arrays(self) -> tuple[Any, Any, float]:
        """The same, for loops over their numbers."""
        return self.weight.detach().numpy(), self.bias.detach().numpy(), self.eps


class Arrays(NamedTuple):
    """The vectors of a block, for loops over their numbers."""

    ln1: tuple[Any, Any, float]
    """Weight, bias and epsilon of the first norm."""

    qkv: Any
    """(3, width)."""

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
        norms = [Norm.of(norm) for norm in (block.ln1, block.ln2)]
        width = len(block.attn.proj.bias)
        scales = torch.ones_like(block.attn.qkv.bias)
        scales[:width].fill_((width / block.attn.heads) ** -0.5)
        up, down = (layer for layer in block.mlp if isinstance(layer, nn.Linear))
        maps = [Affine.of(layer) for layer in (block.attn.proj, up, down)]
        return cls(norms[0], Affine.of(block.attn.qkv, scales), maps[0], norms[1], maps[1], maps[2], block.attn.heads)

    @cached_property
    def arrays(self) -> Arrays:
        """Its vectors."""
        qkv, proj, up, down = (each.bias.detach().numpy() for each in (self.qkv, self.proj, self.up, self.down))
        nothing = torch.zeros_like(self.down.bias).numpy()
        return Arrays(self.ln1.arrays, qkv.reshape(3, -1), proj, self.ln2.arrays, up, down, nothing)


@dataclass(frozen=True)
class Ends:
    """What embeds tokens and what makes logits, a table for every slot.

    They say what :meth:`~ttf.columns.ColumnModel.embedded` and :class:`~ttf.columns.ColumnLinear` do, in fewer
    operations.
    """

    layout: Layout

    embeddings: Tensor
    """(D, bins + 1, width); zeros where a model is not to know which token it is."""

    rows: Tensor
    """(block,): which of these, flattened, is the first of the slot of each position."""

    positions: Tensor
    """(block, width)."""

    norm: Norm
    """The last one."""

    heads: Tensor
    """(D, width, bins + 1), as products of few rows read them fastest; those of slot s predict slot s + 1."""

    bias: Tensor | None
    """What is added to logits, (D, bins + 1)."""

    @classmethod
    def of(cls, model: GPT) -> Self:
        """Those of a model."""
        tables, layout = model.tables(), model.layout
        known = tables.embedding[:-1].view(layout.width, model.bins, -1)
        embeddings = torch.cat([known, tables.embedding[-1].expand(layout.width, 1, -1)], dim=1)
        if not model.knows_values:
            embeddings = embeddings * (torch.arange(layout.width, device=known.device) != layout.value).view(-1, 1, 1)
        return cls(
            layout,
            embeddings,
            model.slots * (model.bins + 1),
            model.pos_emb[0],
            Norm.of(model.ln_f),
            _for_few_rows(tables.head.transpose(1, 2)),
            tables.bias,
        )

    @cached_property
    def norm_arrays(self) -> tuple[Any, Any, float]:
        """The norm, for loops over its numbers."""
        return self.norm.arrays

    def embedded(self, tokens: Tensor, start: int) -> Tensor:
        """Embeddings (R, n, width) of tokens (R, n) at ``start ..``."""
        count = tokens.shape[1]
        positions = self.positions.narrow(0, start, count)
        if count == 1:
            table = self.embeddings[self._slot(start)]
            return (table.index_select(0, tokens[:, 0]) + positions).unsqueeze(1)
        return F.embedding(tokens + self.rows.narrow(0, start, count), self.embeddings.flatten(0, 1)) + positions

    def logits(self, x: Tensor, position: int) -> Tensor:
        """Logits (R, bins + 1) of what the last norm makes (R, width) of the tokens at a position."""
        slot = self._slot(position)
        return torch.mm(x, self.heads[slot]) if self.bias is None else torch.addmm(self.bias[slot], x, self.heads[slot])

    def _slot(self, position: int) -> int:
        return self.layout.slots(1, position)[0]
