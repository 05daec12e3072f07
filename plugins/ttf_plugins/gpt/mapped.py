"""Keys and values that rows read through maps, so that choosing rows copies next to nothing: for one processor core."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple

import torch

from ttf.interfaces.model import flattened
from ttf_plugins.gpt.kernels import SEGMENTS, activated, attended, normalised
from ttf_plugins.gpt.state import GPTState, Segment

if TYPE_CHECKING:
    from torch import Tensor

JOINED = 128
"""Tokens that are rather copied in vain than make a segment of their own, which every step would have to look into."""

TOKENS_AT_ONCE = 256
"""Tokens whose products follow each other: so few that what is in between stays in the processor's cache."""


@dataclass(frozen=True)
class Maps:
    """Which stored row of each segment each row reads."""

    reads: tuple[Tensor, ...] = ()
    """(B * K,) int64 each, in the order of the segments."""

    @cached_property
    def padded(self) -> Tensor:
        """The same for as many segments as there may be (segments, B * K); the last ones are those there are."""
        none = torch.zeros_like(self.reads[0])
        return torch.stack([none] * (SEGMENTS - len(self.reads)) + list(self.reads))

    @cached_property
    def order(self) -> Tensor:
        """The rows (B * K,), so that those that read the same are neighbours; the oldest segment counts first."""
        order = torch.arange(len(self.reads[0]))
        for reads in reversed(self.reads):
            order = order[reads[order].argsort(stable=True)]
        return order


@dataclass(frozen=True, kw_only=True)
class MappedSegment(Segment):
    """Keys and values (2, S, capacity, heads, size): loops read all heads of a few tokens at a time."""

    axis = 2

    def __getstate__(self) -> dict[str, Any]:
        """A copy has to see the memory of its own tensors."""
        return {**vars(self), "arrays": ()}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state, arrays=tuple(each.numpy() for each in state["pairs"]))

    @classmethod
    def of(cls, pairs: tuple[Tensor, ...]) -> MappedSegment:
        """With nothing stored yet."""
        return cls(pairs=pairs, arrays=tuple(each.numpy() for each in pairs))


@dataclass(frozen=True, kw_only=True)
class MappedState(GPTState):
    """What no row reads any more is forgotten where segments are joined."""

    kind = MappedSegment

    maps: Maps = Maps()
    """Those of the segments."""

    rooms: dict[int, _Room] = field(default_factory=dict, compare=False, repr=False)
    """Memory to work in, by numbers of rows; states that go on from this one use it again."""

    def __getstate__(self) -> dict[str, Any]:
        """A copy works in memory of its own."""
        return {**vars(self), "rooms": {}}

    def extended(self, tokens: int, coming: int) -> MappedState:
        """The state with an open segment, the last, in which more tokens have their places; see the base."""
        if len(self.segments) == SEGMENTS and not self.fits(tokens):
            each = torch.arange(self.rows).expand(self.groups, -1)
            return self.select(each).extended(tokens, coming)  # some are joined
        return super().extended(tokens, coming)

    def begun(self, segment: Segment) -> MappedState:
        """The state with one more segment, in which every row has a stored row of its own."""
        own = torch.arange(self.groups * self.rows)
        return replace(self, segments=(*self.segments, segment), maps=Maps((*self.maps.reads, own)))

    def repeat(self, copies: int) -> MappedState:
        """The state in which every group stands ``copies`` times, one after the other; nothing is copied."""
        tiled = (reads.view(self.groups, -1).repeat(1, copies).flatten() for reads in self.maps.reads)
        return replace(self, segments=self.closed, maps=Maps(tuple(tiled)), rows=self.rows * copies)

    def select(self, rows: Tensor) -> MappedState:
        """The state in which new row ``k`` of group ``g`` continues old row ``rows[g, k]`` of the same group.

        Rows go on sharing what they have in common. Of segments that nearly as many rows read, one is made.
        """
        flat = flattened(rows.cpu(), self.rows)
        runs: list[_Run] = []  # the one read last is the first
        for segment, reads in zip(reversed(self.segments), reversed(self.maps.reads), strict=True):
            run = _Run.of(segment, reads[flat])
            if runs and runs[-1].takes(run, self.groups):
                runs[-1] = runs[-1].with_older(run)
            else:
                runs.append(run)
        while len(runs) >= SEGMENTS:  # one more may be begun
            i = min(range(1, len(runs)), key=lambda i: runs[i - 1].in_vain(runs[i]))
            runs[i - 1 : i + 1] = [runs[i - 1].with_older(runs[i])]
        joined = [run.joined(self.capacity - self.visible) for run in reversed(runs)]
        segments, maps = tuple(segment for segment, _ in joined), Maps(tuple(reads for _, reads in joined))
        return replace(self, segments=segments, maps=maps, rows=rows.shape[1])

    @torch.no_grad()
    def through(self, x: Tensor, kept: Tensor | None, mask: Tensor | None, *, last: bool) -> Tensor:
        """What the blocks and the last norm make of new tokens; see the base. No gradients go back through it.

        The loops want as many segments as there may be: those that are not there are the first ones, and empty.
        """
        rows, tokens, width = x.shape
        missing = SEGMENTS - len(self.segments)
        filled = torch.tensor([0] * missing + [part.filled for part in self.segments])
        where = self.maps.padded.numpy(), self.maps.order.numpy(), filled.numpy()
        new = (torch.arange(tokens) if kept is None else kept).numpy()
        seen = (torch.tensor([self.visible]) if mask is None else mask.sum(1)).numpy()

        x = x.reshape(-1, width).contiguous()
        room = self._room(x, tokens)
        parts = room.over(x)
        pending = self.layers[0].arrays.nothing  # what is still to be added to x
        for number, layer in enumerate(self.layers):
            arrays = layer.arrays
            for _, array, part in parts:
                normalised(array, pending, *arrays.ln1, part.normal_array)
                torch.mm(part.normal, layer.qkv.weight, out=part.qkv)
            given = room.qkv
            if last and tokens > 1 and number == len(self.layers) - 1:
                x, seen = x.view(rows, tokens, width)[:, -1].contiguous(), seen[-1:]
                room = self._room(x, 1)
                parts = room.over(x)
            pairs = [part.arrays[number] for part in self.segments]
            attended(given, arrays.qkv, new, (*pairs[:1] * missing, *pairs), *where, seen, room.gathered)
            for some, array, part in parts:
                some.addmm_(part.gathered, layer.proj.weight)
                normalised(array, arrays.proj, *arrays.ln2, part.normal_array)
                torch.mm(part.normal, layer.up.weight, out=part.inner)
                activated(part.inner_array, arrays.up, part.inner_array)
                some.addmm_(part.inner, layer.down.weight)
            pending = arrays.down
        out = torch.empty_like(x)
        normalised(x.numpy(), pending, *self.ends.norm_arrays, out.numpy())
        self._keep(room)
        return out.view(rows, -1, width)

    def _room(self, x: Tensor, tokens: int) -> _Room:
        """Room for tokens (R * n, width), n in a row; that of one token in a row may have been used before."""
        used = self.rooms.pop(len(x), None) if tokens == 1 else None  # until it is kept again nobody else has it
        return used or _Room.of(x, tokens)

    def _keep(self, room: _Room) -> None:
        """Room for what the blocks make of one token in a row is kept, for the last two numbers of rows."""
        if room.gathered.shape[1] == 1:
            self.rooms[len(room.gathered)] = room
            for rows in list(self.rooms)[:-2]:
                self.rooms.pop(rows, None)


class _Part(NamedTuple):
    """Room for what the blocks make of some tokens; arrays have the memory of the tensors of their name."""

    normal: Tensor
    normal_array: Any
    inner: Tensor
    inner_array: Any
    qkv: Tensor
    gathered: Tensor


@dataclass(frozen=True)
class _Room:
    """Memory for what the blocks make of new tokens, beside the residual stream."""

    qkv: Any
    """(R, n, 3, width)."""

    gathered: Any
    """(R, n, width)."""

    parts: list[_Part]
    """The same for a few tokens at a time."""

    @classmethod
    @torch.inference_mode(mode=False)  # it may be used again outside
    def of(cls, x: Tensor, tokens: int) -> _Room:
        """For tokens (R * n, width)."""
        width = x.shape[1]
        count = min(len(x), TOKENS_AT_ONCE)
        normal, inner = x.new_empty(count, width), x.new_empty(count, 4 * width)
        qkv, gathered = x.new_empty(len(x), 3 * width), x.new_empty(len(x), width)
        parts = []
        for some in zip(torch.split(qkv, count), torch.split(gathered, count), strict=True):
            here = normal[: len(some[0])], inner[: len(some[0])]
            parts.append(_Part(here[0], here[0].numpy(), here[1], here[1].numpy(), *some))
        return cls(qkv.numpy().reshape(-1, tokens, 3, width), gathered.numpy().reshape(-1, tokens, width), parts)

    def over(self, x: Tensor) -> list[tuple[Tensor, Any, _Part]]:
        """A few tokens of x (R * n, width) at a time, the memory of these, and room for them."""
        some = torch.split(x, TOKENS_AT_ONCE)
        return [(each, each.numpy(), part) for each, part in zip(some, self.parts, strict=True)]


@dataclass(frozen=True)
class _Run:
    """Segments (the first was read first) that are to be one, and which stored rows (S,) of each are to be read."""

    reads: Tensor
    """Which of those S each row (R,) reads."""

    parts: list[tuple[Segment, Tensor]]

    @classmethod
    def of(cls, segment: Segment, reads: Tensor) -> _Run:
        """A single segment, of which rows are read (R,)."""
        stored, each = torch.unique(reads, return_inverse=True)
        return cls(each, [(segment, stored)])

    def takes(self, older: _Run, groups: int) -> bool:
        """Whether one segment is to be made of this and an older one; what all rows of a group read stays apart."""
        in_vain = self.in_vain(older)
        return in_vain == 0 or (older._stored > groups and in_vain <= JOINED)

    def in_vain(self, older: _Run) -> int:
        """Tokens that are copied more than once where one segment is made of this and an older one."""
        filled = sum(segment.filled for segment, _ in older.parts)
        return (self._stored - older._stored) * filled

    def with_older(self, older: _Run) -> _Run:
        """One run of both; rows that read the same of this read the same of the older one too."""
        reader = torch.empty(self._stored, dtype=torch.int64).scatter_(0, self.reads, torch.arange(len(self.reads)))
        parts = [(segment, stored[older.reads[reader]]) for segment, stored in older.parts]
        return _Run(self.reads, [*parts, *self.parts])

    def joined(self, room: int) -> tuple[Segment, Tensor]:
        """The segment, with room for more tokens if every row has a copy of its own, and what each row (R,) reads."""
        if len(self.parts) == 1:
            ((segment, stored),) = self.parts
            return replace(segment, open=False), stored[self.reads]
        own = self._stored == len(self.reads)
        parts = [(segment, stored[self.reads] if own else stored) for segment, stored in self.parts]
        joined = MappedSegment.joined(parts, room if own else 0)
        return replace(joined, open=own), torch.arange(len(self.reads)) if own else self.reads

    @property
    def _stored(self) -> int:
        """Stored rows, S."""
        return len(self.parts[0][1])
