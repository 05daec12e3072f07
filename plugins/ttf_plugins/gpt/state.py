"""What a GPT remembers of the tokens it has read: keys and values, each stored once for all rows that share them."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import torch

from ttf.interfaces.model import State, flattened

if TYPE_CHECKING:
    from torch import Tensor

    from ttf.columns import Tables

_ROOM = 32
"""Tokens that fit into a segment which repeated rows begin; usually the actions and the reward of a transition."""


@dataclass(frozen=True)
class Segment:
    """Keys and values of consecutive tokens for S rows in each of B groups.

    Row k of a group of K rows reads stored row ``k % S``: what was read before rows were repeated is not repeated.
    """

    keys: tuple[Tensor, ...]
    """A layer each: (B, S, heads, capacity, width / heads), of which the first ``filled`` tokens are filled."""

    values: tuple[Tensor, ...]
    """As ``keys``."""

    filled: int
    """Tokens stored."""

    open: bool
    """Whether more may be stored: no other state has this segment."""

    @classmethod
    def empty(cls, like: Tensor, groups: int, rows: int, capacity: int, layers: int) -> Segment:
        """Room for tokens; ``like`` (heads, size) says the rest."""
        shape = (groups, rows, like.shape[0], capacity, like.shape[1])
        keys, values = ([like.new_empty(shape) for _ in range(layers)] for _ in range(2))
        return cls(tuple(keys), tuple(values), filled=0, open=True)

    @property
    def rows(self) -> int:
        """Rows stored for each group, S."""
        return self.keys[0].shape[1]

    @property
    def capacity(self) -> int:
        """Tokens that fit."""
        return self.keys[0].shape[3]

    def scores(self, queries: Tensor, layer: int) -> Tensor:
        """Products of queries (B * K, heads, n, size) and the keys that each row reads, (B * K, heads, n, filled)."""
        keys = self.keys[layer].flatten(0, 2)[:, : self.filled]
        return self._ungrouped(torch.bmm(self._grouped(queries), keys.transpose(1, 2)), queries)

    def attended(self, weights: Tensor, layer: int) -> Tensor:
        """Sums of the values that each row reads, (B * K, heads, n, size), with weights (B * K, heads, n, filled)."""
        values = self.values[layer].flatten(0, 2)[:, : self.filled]
        return self._ungrouped(torch.bmm(self._grouped(weights), values), weights)

    def _grouped(self, x: Tensor) -> Tensor:
        """Matrices (B * S * heads, K / S * n, m), one for each stored head, of x (B * K, heads, n, m)."""
        groups, rows = self.keys[0].shape[:2]
        _, heads, count, size = x.shape
        by_stored = x.reshape(groups, -1, rows, heads, count, size).permute(0, 2, 3, 1, 4, 5)
        return by_stored.reshape(groups * rows * heads, -1, size)

    def _ungrouped(self, matrices: Tensor, like: Tensor) -> Tensor:
        """The inverse of ``_grouped``; ``like`` (B * K, heads, n, any) says the shape."""
        groups, rows = self.keys[0].shape[:2]
        total, heads, count, _ = like.shape
        by_stored = matrices.view(groups, rows, heads, -1, count, matrices.shape[-1])
        return by_stored.permute(0, 3, 1, 2, 4, 5).reshape(total, heads, count, -1)


@dataclass(frozen=True, kw_only=True)
class GPTState(State):
    """Keys and values of the visible tokens read so far; value tokens are queries only and leave none."""

    segments: tuple[Segment, ...] = ()
    """In the order in which they were read."""

    capacity: int
    """Visible tokens there is room for."""

    tables: Tables
    """What embeds tokens, and what makes logits."""

    @property
    def visible(self) -> int:
        """Tokens stored, those of the goal first."""
        return sum(segment.filled for segment in self.segments)

    def repeat(self, copies: int) -> GPTState:
        """The state in which every group stands ``copies`` times, one after the other; nothing is copied."""
        return replace(self, segments=self._closed(), rows=self.rows * copies)

    def select(self, rows: Tensor) -> GPTState:
        """The state in which new row ``k`` of group ``g`` continues old row ``rows[g, k]`` of the same group."""
        shared = 0
        while shared < len(self.segments) and self.segments[shared].rows == 1:
            shared += 1
        kept, others = self._closed()[:shared], self.segments[shared:]
        state = replace(self, segments=kept, rows=rows.shape[1])
        if not others:
            return state
        like = others[0].keys[0][0, 0, :, 0]
        joined = Segment.empty(like, self.groups, state.rows, self.capacity - state.visible, len(others[0].keys))
        filled = 0
        for segment in others:
            stored = flattened(rows % segment.rows, segment.rows).to(like.device)
            end = filled + segment.filled
            pairs = zip((*joined.keys, *joined.values), (*segment.keys, *segment.values), strict=True)
            for new, old in pairs:
                there = new.flatten(0, 1)[:, :, filled:end]
                torch.index_select(old.flatten(0, 1)[:, :, : segment.filled], 0, stored, out=there)
            filled = end
        return replace(state, segments=(*kept, replace(joined, filled=filled)))

    def extended(self, tokens: int, like: Tensor, layers: int) -> GPTState:
        """The state with an open segment, the last, in which that many more visible tokens have their places.

        ``like`` (heads, size) is as one token's keys.
        """
        if not tokens:
            return self
        last = self.segments[-1] if self.segments else None
        if last is None or not last.open or last.rows != self.rows or last.filled + tokens > last.capacity:
            left = self.capacity - self.visible
            room = left if self.rows == 1 else min(left, max(tokens, _ROOM))
            last = Segment.empty(like, self.groups, self.rows, room, layers)
            segments = self.segments
        else:
            segments = self.segments[:-1]
        return replace(self, segments=(*segments, replace(last, filled=last.filled + tokens)))

    def attended(self, q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None, layer: int) -> Tensor:
        """Store keys and values (B * K, heads, kept, size) at the end; what queries (B * K, heads, n, size) gather.

        ``mask`` (n, visible) says which stored tokens each query sees; None if all.
        """
        last = self.segments[-1]
        if k.shape[2]:
            last.keys[layer].flatten(0, 1)[:, :, last.filled - k.shape[2] : last.filled] = k
            last.values[layer].flatten(0, 1)[:, :, last.filled - v.shape[2] : last.filled] = v
        q = q / math.sqrt(q.shape[-1])
        scores = torch.cat([segment.scores(q, layer) for segment in self.segments], dim=-1)
        if mask is not None:
            scores = scores.masked_fill(~mask, -torch.inf)
        parts = torch.split(scores.softmax(-1), [segment.filled for segment in self.segments], dim=-1)
        sums = [segment.attended(part, layer) for segment, part in zip(self.segments, parts, strict=True)]
        return sum(sums[1:], start=sums[0])

    def _closed(self) -> tuple[Segment, ...]:
        return tuple(replace(segment, open=False) for segment in self.segments)
