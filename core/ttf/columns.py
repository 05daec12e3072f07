"""What sequence models have for every column of a transition: tables of embeddings, linear maps, waves over bins."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812  (the field's name for it)

from ttf.interfaces.model import SequenceModel

if TYPE_CHECKING:
    from ttf.layout import Layout


def column_rows(tokens: Tensor, slots: Tensor, layout: Layout, bins: int) -> Tensor:
    """Rows (B, n) of a table of ``bins * D + 1`` for tokens (B, n) in slots (n,); the last is the stop token's."""
    return torch.where(tokens == bins, bins * layout.width, tokens + slots * bins)


class Waves(nn.Module):
    """Rows for the tokens of every slot that are sums of waves over its bins, so that neighbours are alike.

    Added to a table whose rows know nothing of each other, they let what is learned of a bin hold for those next to
    it, which saves most of the training; the table is left with what is special about a bin.
    """

    def __init__(self, slots: int, bins: int, width: int, frequencies: int, deviation: float) -> None:
        super().__init__()
        place = torch.linspace(-1, 1, bins).unsqueeze(1)
        angles = place * torch.arange(1, frequencies + 1) * (math.pi / 2)
        waves = torch.cat([place, angles.sin(), angles.cos()], dim=1)
        self.register_buffer("waves", F.pad(waves, (0, 0, 0, 1)), persistent=False)
        self.amplitudes = nn.Parameter(torch.randn(slots, waves.shape[1], width) * deviation)

    waves: Tensor
    """Buffer (bins + 1, P): the waves at every bin; the stop token has none."""

    def forward(self) -> Tensor:
        """Rows (slots, bins + 1, width)."""
        return torch.einsum("vp,spw->svw", self.waves, self.amplitudes)


class GoalEmbedding(nn.Module):
    """An embedding for every token of every goal dimension, and one each for a goal that is unknown.

    With ``frequencies``, waves are added to those that are known.
    """

    def __init__(self, goal: int, bins: int, width: int, frequencies: int = 0) -> None:
        super().__init__()
        self.table = nn.Embedding(goal * (bins + 1), width)
        self.waves = Waves(goal, bins, width, frequencies, deviation=0.02) if frequencies else None
        nn.init.zeros_(self.table.weight)  # as in ColumnModel
        self.register_buffer("first", torch.arange(goal) * (bins + 1), persistent=False)

    first: Tensor
    """Buffer (G,): each dimension's first row."""

    def forward(self, goal: Tensor) -> Tensor:
        """Embeddings (B, G, width) of goal tokens (B, G); the token ``bins`` is the unknown one."""
        table = self.table.weight if self.waves is None else self.table.weight + self.waves().flatten(0, 1)
        return F.embedding(goal + self.first, table)


class ColumnLinear(nn.Module):
    """A linear map of its own for every slot, without bias; as heads, that of slot s predicts slot s + 1."""

    def __init__(self, slots: int, outputs: int, width: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(slots, outputs, width))
        for weight in self.weight:
            nn.init.kaiming_uniform_(weight, a=math.sqrt(5))

    def forward(self, x: Tensor, start: int, weight: Tensor | None = None, bias: Tensor | None = None) -> Tensor:
        """What the maps, or others of the same shape, make (B, n, outputs) of x (B, n, width) at ``start ..``.

        To that is added the ``bias`` (D, outputs) of their slots.
        """
        weight = self.weight if weight is None else weight
        slots, outputs, width = weight.shape
        batch, length, _ = x.shape
        if length == 1:
            return F.linear(x, weight[start % slots], None if bias is None else bias[start % slots])
        left = start % slots
        transitions = -(-(left + length) // slots)
        x = F.pad(x, (0, 0, left, transitions * slots - left - length))  # to whole transitions
        x = x.reshape(batch * transitions, slots, width).transpose(0, 1)  # (D, B * transitions, width)
        mapped = _mapped(x, weight, bias).transpose(0, 1)
        return mapped.reshape(batch, -1, outputs)[:, left : left + length]

    def at(self, x: Tensor, slots: Tensor, weight: Tensor | None = None, bias: Tensor | None = None) -> Tensor:
        """As :meth:`forward`, (B, P, outputs) of x (B, P, width) by the maps of any slots (P,)."""
        weight = self.weight if weight is None else weight
        return _mapped(x.transpose(0, 1), weight[slots], None if bias is None else bias[slots]).transpose(0, 1)


def _mapped(x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """Products (D, n, outputs) of x (D, n, width) with weights (D, outputs, width), and biases (D, outputs) added."""
    weight = weight.transpose(1, 2)
    return torch.bmm(x, weight) if bias is None else torch.baddbmm(bias.unsqueeze(1), x, weight)


class Tables(NamedTuple):
    """What embeds tokens, and what makes logits."""

    embedding: Tensor
    """Rows (bins * D + 1, width); the last is the stop token's."""

    head: Tensor
    """Weights (D, bins + 1, width) of the logits; those of slot s predict slot s + 1."""

    bias: Tensor | None
    """What is added to logits, (D, bins + 1)."""


class ColumnModel(SequenceModel):
    """A sequence model with an embedding and a head for every token of every column.

    They are rows of tables, sums of waves over the bins, or both added.

    Args:
        layout: of the transitions.
        bins: per column.
        context: transitions of a window.
        width: of the residual stream.
        waves: frequencies, 0 for none.
        table: whether there are tables; without, there must be waves.
    """

    def __init__(self, layout: Layout, bins: int, context: int, *, width: int, waves: int, table: bool) -> None:
        super().__init__(layout, bins, context)
        self.table = table
        self.tok_emb = nn.Embedding((bins * layout.width if table else 0) + 1, width)  # the last row is the stop token
        nn.init.zeros_(self.tok_emb.weight)  # so that tokens become different only as far as the data say
        self.head = ColumnLinear(layout.width, (bins if table else 0) + 1, width)
        size = (layout.width, bins, width, waves)
        self.wave_emb = Waves(*size, deviation=0.02) if waves else None
        self.wave_head = Waves(*size, deviation=width**-0.5) if waves else None
        # Few waves are smooth; how often each bin comes in the data may be anything.
        self.head_bias = None if table else nn.Parameter(torch.zeros(layout.width, bins + 1))
        self.register_buffer("slots", torch.tensor(layout.slots(self.block)), persistent=False)

    slots: Tensor
    """Buffer (block,): the slot of every position."""

    def tables(self) -> Tables:
        """The embeddings and the heads, as the tables and the waves make them."""
        embedding, head = self.tok_emb.weight, self.head.weight
        if self.wave_emb is None or self.wave_head is None:
            return Tables(embedding, head, None)
        waves, wave_head = self.wave_emb()[:, : self.bins].flatten(0, 1), self.wave_head()
        if self.table:
            return Tables(torch.cat([embedding[:-1] + waves, embedding[-1:]]), head + wave_head, None)
        joined = torch.cat([wave_head[:, : self.bins], head], dim=1)
        return Tables(torch.cat([waves, embedding]), joined, self.head_bias)

    def logits(self, x: Tensor, start: int, tables: Tables) -> Tensor:
        """Logits (B, n, bins + 1) of what a model makes (B, n, width) of the tokens at ``start ..``."""
        logits: Tensor = self.head(x, start, tables.head, tables.bias)
        return logits

    def check_reach(self, end: int) -> None:
        """Raise a ValueError if that many tokens reach beyond the block."""
        if end > self.block:
            message = f"{end} tokens, but this model reads at most {self.block}"
            raise ValueError(message)

    def embedded(self, tokens: Tensor, start: int, table: Tensor, *, values: bool) -> Tensor:
        """Embeddings (B, n, width) of tokens (B, n) at ``start ..``; without ``values``, zeros for value tokens.

        Without, a model predicts the same whatever values stand in the past, as they are unknown when it plans.

        Raises:
            ValueError: they reach beyond the block.
        """
        end = start + tokens.shape[1]
        self.check_reach(end)
        slots = self.slots[start:end]
        embedded = F.embedding(column_rows(tokens, slots, self.layout, self.bins), table)
        if values or self.layout.value not in self.layout.slots(len(slots), start):
            return embedded
        return embedded * (slots != self.layout.value).unsqueeze(-1)
