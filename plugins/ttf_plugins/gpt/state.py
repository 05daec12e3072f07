"""What a GPT remembers of the tokens it has read: keys and values, each stored once for all rows that share them."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar, Self

import torch

from ttf.interfaces.model import State

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

    from ttf_plugins.gpt.decoding import Ends, Layer


@dataclass(frozen=True, kw_only=True)
class Segment:
    """Keys and values of consecutive tokens, in S stored rows; how rows read them is the state's to know."""

    axis: ClassVar = 3
    """Where the tokens are; the first ``filled`` of them are filled."""

    pairs: tuple[Tensor, ...]
    """A layer each: keys and values (2, S, heads, capacity, size), or with the axes in another order."""

    arrays: tuple[Any, ...] = ()
    """The memory of the pairs, where loops are to read it."""

    filled: int = 0
    """Tokens stored."""

    open: bool = True
    """Whether the state may store more: every row has the stored row of its number. Other states may read the same."""

    @classmethod
    def empty(cls, like: Tensor, stored: int, capacity: int, layers: int) -> Self:
        """Room for tokens in so many rows; ``like`` (heads, size) is as one token's keys of one of them."""
        shape = [2, stored, *like.shape]
        shape.insert(cls.axis, capacity)
        return cls.of(tuple(like.new_empty(shape) for _ in range(layers)))

    @classmethod
    def of(cls, pairs: tuple[Tensor, ...]) -> Self:
        """With nothing stored yet."""
        return cls(pairs=pairs)

    @classmethod
    def joined(cls, parts: Sequence[tuple[Segment, Tensor]], room: int) -> Self:
        """Copies of stored rows (S,) of segments, the first was read first, with room for more tokens."""
        filled, (first, read) = sum(part.filled for part, _ in parts), parts[0]
        new = cls.empty(first.pairs[0].select(cls.axis, 0)[0, 0], len(read), filled + room, len(first.pairs))
        start = 0
        for part, rows in parts:
            for to, of in zip(new.pairs, part.pairs, strict=True):
                there, here = to.narrow(cls.axis, start, part.filled), of.narrow(cls.axis, 0, part.filled)
                torch.index_select(here, 1, rows, out=there)
            start += part.filled
        return replace(new, filled=filled)

    @property
    def stored(self) -> int:
        """Rows, S."""
        return self.pairs[0].shape[1]

    @property
    def capacity(self) -> int:
        """Tokens that fit."""
        return self.pairs[0].shape[self.axis]


@dataclass(frozen=True, kw_only=True)
class GPTState(State):
    """Keys and values of the visible tokens read so far; value tokens are queries only and leave none."""

    kind: ClassVar[type[Segment]] = Segment
    """Of its segments."""

    capacity: int
    """Visible tokens there is room for."""

    ends: Ends
    """What embeds tokens, and what makes logits of what comes out of the blocks."""

    layers: tuple[Layer, ...]
    """The weights of the blocks, copies some of them, as the ends are: what is learned later is for states that are
    started later."""

    segments: tuple[Segment, ...] = ()
    """In the order in which they were read."""

    @property
    def heads(self) -> int:
        """Attention heads of each block."""
        return self.layers[0].heads

    @property
    def closed(self) -> tuple[Segment, ...]:
        """The segments, none of which may store more."""
        return tuple(replace(segment, open=False) for segment in self.segments)

    @property
    def visible(self) -> int:
        """Tokens stored, those of the goal first."""
        return sum(segment.filled for segment in self.segments)

    def extended(self, tokens: int, coming: int) -> Self:
        """The state with an open segment, the last, in which that many more visible tokens have their places.

        If one must be begun, it has room for as many more as are ``coming``; the first one has all the room there is.

        Raises:
            ValueError: there is no room for them.
        """
        if not tokens:
            return self
        left = self.capacity - self.visible
        if tokens > left:
            message = f"no room for {tokens} more tokens: this state holds {self.visible} of {self.capacity}"
            raise ValueError(message)
        if self.fits(tokens):
            last = self.segments[-1]
            return replace(self, segments=(*self.segments[:-1], replace(last, filled=last.filled + tokens)))
        like = self.layers[0].proj.bias.view(self.heads, -1)
        room = min(left, tokens + coming) if self.segments else left
        segment = self.kind.empty(like, self.groups * self.rows, room, len(self.layers))
        return self.begun(replace(segment, filled=tokens))

    def fits(self, tokens: int) -> bool:
        """Whether the last segment is open and has room for them."""
        last = self.segments[-1] if self.segments else None
        return last is not None and last.open and last.filled + tokens <= last.capacity

    @abstractmethod
    def begun(self, segment: Segment) -> Self:
        """The state with one more segment, in which every row has a stored row of its own."""

    @abstractmethod
    def through(self, x: Tensor, kept: Tensor | None, mask: Tensor | None, *, last: bool) -> Tensor:
        """What the blocks and the last norm make of new tokens.

        Their keys and values are stored; the state has been extended for them.

        Args:
            x: the new tokens (B * K, n, width); may be overwritten.
            kept: which of them leave keys (m,); None if all do.
            mask: which of all stored tokens each of them sees (n, visible) bool, the first few; None where one is new.
            last: whether only the last token is asked for.

        Returns:
            (B * K, n, width), or (B * K, 1, width) of the last token.
        """
