"""Keys and values whose rows are tiled, so that matrix products can read them: for any device."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import torch
from torch.nn import functional as F  # noqa: N812  (the field's name for it)

from ttf.interfaces.model import flattened
from ttf_plugins.gpt.state import GPTState, Segment

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True, kw_only=True)
class TiledState(GPTState):
    """Row k of a group reads stored row ``k % S`` of the S that each group has in a segment."""

    def begun(self, segment: Segment) -> TiledState:
        """The state with one more segment, in which every row has a stored row of its own."""
        return replace(self, segments=(*self.segments, segment))

    def repeat(self, copies: int) -> TiledState:
        """The state in which every group stands ``copies`` times, one after the other; nothing is copied."""
        return replace(self, segments=self.closed, rows=self.rows * copies)

    def select(self, rows: Tensor) -> TiledState:
        """The state in which new row ``k`` of group ``g`` continues old row ``rows[g, k]`` of the same group.

        What all rows of a group read stays as it is, of everything else each of the new rows has a copy.
        """
        count = rows.shape[1]
        shared = [part for part in self.segments if count > 1 and part.stored == self.groups]
        parts = []
        for part in self.segments[len(shared) :]:
            stored = part.stored // self.groups
            parts.append((part, flattened(rows % stored, stored).to(part.pairs[0].device)))
        segments = [replace(part, open=False) for part in shared]
        segments += [Segment.joined(parts, self.capacity - self.visible)] if parts else []
        return replace(self, segments=tuple(segments), rows=count)

    def through(self, x: Tensor, kept: Tensor | None, mask: Tensor | None, *, last: bool) -> Tensor:
        """What the blocks and the last norm make of new tokens; see the base."""
        rows, tokens, width = x.shape
        x = x.reshape(-1, width)
        for number, layer in enumerate(self.layers):
            only = last and tokens > 1 and number == len(self.layers) - 1
            qkv = layer.qkv(layer.ln1(x)).view(rows, tokens, -1)
            gathered = self._gathered(qkv, kept, mask[-1:] if only and mask is not None else mask, number)
            if gathered.shape[1] < tokens:
                x = x.view(rows, tokens, width)[:, -gathered.shape[1] :].reshape(-1, width)
            x = layer.proj(gathered.view(-1, width)).add_(x)
            x = layer.down(F.gelu(layer.up(layer.ln2(x)))).add_(x)
        return self.ends.norm(x).view(rows, -1, width)

    def _gathered(self, qkv: Tensor, kept: Tensor | None, mask: Tensor | None, layer: int) -> Tensor:
        """What new tokens (B * K, n, 3 * width), or those the mask has rows for, gather (B * K, queries, width)."""
        q, k, v = qkv.view(*qkv.shape[:2], 3, self.heads, -1).permute(2, 0, 3, 1, 4)  # (B * K, heads, n, size)
        if kept is not None:
            k, v = k.index_select(2, kept), v.index_select(2, kept)
        self._store(k, v, layer)
        q = q if mask is None else q[:, :, -len(mask) :]
        scores = [self._products(q, part.pairs[layer][0, :, :, : part.filled].mT) for part in self.segments]
        joined = torch.cat(scores, dim=-1)
        if mask is not None:
            joined = joined.masked_fill(~mask, -torch.inf)
        weights = torch.split(joined.softmax(-1), [part.filled for part in self.segments], dim=-1)
        sums = [
            self._products(share, part.pairs[layer][1, :, :, : part.filled])
            for share, part in zip(weights, self.segments, strict=True)
        ]
        return sum(sums[1:], start=sums[0]).transpose(1, 2).flatten(2)

    def _store(self, k: Tensor, v: Tensor, layer: int) -> None:
        """Write keys and values (B * K, heads, m, size) of the newest tokens."""
        last, new = self.segments[-1], k.shape[2]
        if new:
            last.pairs[layer][0, :, :, last.filled - new : last.filled] = k
            last.pairs[layer][1, :, :, last.filled - new : last.filled] = v

    def _products(self, x: Tensor, stored: Tensor) -> Tensor:
        """Products (B * K, heads, n, m) of x (B * K, heads, n, i) and what rows read of stored (S, heads, i, m)."""
        _, heads, count, inner = x.shape
        each = stored.shape[0] // self.groups
        tiles = x.reshape(self.groups, -1, each, heads, count, inner).permute(0, 2, 3, 1, 4, 5)
        products = torch.bmm(tiles.reshape(len(stored) * heads, -1, inner), stored.flatten(0, 1))
        products = products.view(self.groups, each, heads, -1, count, stored.shape[3]).permute(0, 3, 1, 2, 4, 5)
        return products.reshape(len(x), heads, count, -1)
