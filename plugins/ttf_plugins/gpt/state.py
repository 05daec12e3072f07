"""What a GPT remembers of the tokens it has read: keys and values, each stored once for all rows that share them."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import torch

from ttf.interfaces.model import State, flattened
from ttf_plugins.gpt.readers import Readers

if TYPE_CHECKING:
    from torch import Tensor

    from ttf.columns import Tables

_ROOM = 32
"""Tokens that fit into a segment which repeated rows begin; usually the actions and the reward of a transition."""

JOINED = 128
"""Tokens that are rather stored in vain than make a segment, and with it matrix products, of their own."""


@dataclass(frozen=True, kw_only=True)
class Segment:
    """Keys and values of consecutive tokens, stored once for all rows that share them."""

    keys: tuple[Tensor, ...]
    """A layer each: (B, S, heads, capacity, width / heads), of which the first ``filled`` tokens are filled."""

    values: tuple[Tensor, ...]
    """As ``keys``."""

    readers: Readers
    """Which of the S stored rows each row of a group reads."""

    filled: int
    """Tokens stored."""

    open: bool
    """Whether more may be stored: no other state has this segment."""

    @classmethod
    def empty(cls, like: Tensor, readers: Readers, capacity: int, layers: int) -> Segment:
        """Room for tokens; ``like`` (heads, size) says the rest."""
        shape = (readers.groups, readers.stored, like.shape[0], capacity, like.shape[1])
        keys, values = ([like.new_empty(shape) for _ in range(layers)] for _ in range(2))
        return cls(keys=tuple(keys), values=tuple(values), readers=readers, filled=0, open=True)

    @property
    def capacity(self) -> int:
        """Tokens that fit."""
        return self.keys[0].shape[3]

    @property
    def like(self) -> Tensor:
        """One token's keys (heads, size) of one row."""
        return self.keys[0][0, 0, :, 0]

    def scores(self, queries: Tensor, layer: int) -> Tensor:
        """Products of queries (B * K, heads, n, size) and the keys that each row reads, (B * K, heads, n, filled)."""
        keys = self.keys[layer].flatten(0, 2)[:, : self.filled]
        return self.readers.scatter(torch.bmm(self.readers.gather(queries), keys.transpose(1, 2)), queries)

    def attended(self, weights: Tensor, layer: int) -> Tensor:
        """Sums of the values that each row reads, (B * K, heads, n, size), with weights (B * K, heads, n, filled)."""
        values = self.values[layer].flatten(0, 2)[:, : self.filled]
        return self.readers.scatter(torch.bmm(self.readers.gather(weights), values), weights)


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
        segments = tuple(replace(part, readers=part.readers.repeat(copies), open=False) for part in self.segments)
        return replace(self, segments=segments, rows=self.rows * copies)

    def select(self, rows: Tensor) -> GPTState:
        """The state in which new row ``k`` of group ``g`` continues old row ``rows[g, k]`` of the same group.

        Rows go on sharing what they have in common. Of segments that nearly as many rows read, one is made.
        """
        runs: list[_Run] = []  # the one read last is the first
        for segment in reversed(self.segments):
            run = _Run.of(segment, rows)
            if runs and runs[-1].takes(run):
                runs[-1].parts[:0] = run.parts
            else:
                runs.append(run)
        segments = [run.joined(self.capacity - self.visible) for run in reversed(runs)]
        return replace(self, segments=tuple(segments), rows=rows.shape[1])

    def extended(self, tokens: int, like: Tensor, layers: int) -> GPTState:
        """The state with an open segment, the last, in which that many more visible tokens have their places.

        ``like`` (heads, size) is as one token's keys.
        """
        if not tokens:
            return self
        *before, last = self.segments or (None,)
        if last is None or not last.open or last.filled + tokens > last.capacity:
            left = self.capacity - self.visible
            readers = Readers.alone(self.groups, self.rows, like.shape[0], like.device)
            before = list(self.segments)
            last = Segment.empty(like, readers, left if self.rows == 1 else min(left, max(tokens, _ROOM)), layers)
        return replace(self, segments=(*before, replace(last, filled=last.filled + tokens)))

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


@dataclass(frozen=True)
class _Run:
    """Segments (the first was read first) that are to be one, and which stored rows (B, K) of each are to be read."""

    readers: Readers
    parts: list[tuple[Segment, Tensor]]

    @classmethod
    def of(cls, segment: Segment, rows: Tensor) -> _Run:
        """A single segment, of whose readers (B, K) rows go on."""
        reads = segment.readers.reads.gather(1, rows)
        return cls(Readers.sharing(reads, segment.readers.stored, segment.readers.heads), [(segment, reads)])

    def takes(self, older: _Run) -> bool:
        """Whether one segment is to be made of this and an older one; what all rows read stays apart from the rest."""
        ((segment, _),) = older.parts
        in_vain = (self.readers.stored - older.readers.stored) * segment.filled
        return in_vain == 0 or (older.readers.stored > 1 and in_vain <= JOINED)

    def joined(self, left: int) -> Segment:
        """The segment, with room for ``left`` more tokens if every row has one of its own."""
        readers, stored = self.readers, [reads.gather(1, self.readers.first) for _, reads in self.parts]
        segments = [segment for segment, _ in self.parts]
        if len(segments) == 1 and not readers.own and _in_order(stored[0], segments[0].readers.stored):
            return replace(segments[0], readers=readers, open=False)
        filled, like = sum(segment.filled for segment in segments), segments[0].like
        new = Segment.empty(like, readers, filled + (left if readers.own else 0), len(segments[0].keys))
        end = 0
        for segment, rows in zip(segments, stored, strict=True):
            start, end = end, end + segment.filled
            flat = flattened(rows, segment.readers.stored).to(like.device)
            for to, of in zip((*new.keys, *new.values), (*segment.keys, *segment.values), strict=True):
                there = to.flatten(0, 1)[:, :, start:end]
                torch.index_select(of.flatten(0, 1)[:, :, : segment.filled], 0, flat, out=there)
        return replace(new, filled=filled, open=readers.own)


def _in_order(rows: Tensor, count: int) -> bool:
    """Whether rows (B, S) are all of ``count``, one after the other."""
    return rows.shape[1] == count and (count == 1 or bool((rows.diff(dim=1) == 1).all()))
