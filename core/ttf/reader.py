"""What all searches share: their settings, the tokens that can stand in a column, and the rows they read."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import torch
from torch.nn import functional as F  # noqa: N812  (the field's name for it)

from ttf.interfaces.decoder import Plan
from ttf.interfaces.model import flattened, repeated

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from torch import Tensor

    from ttf.interfaces.discretizer import Discretizer
    from ttf.interfaces.model import SequenceModel, State
    from ttf.layout import Layout
    from ttf.sampling import Sampling

__all__ = ["Grammar", "Reader", "SearchSettings"]


def tokens_at_once(device: torch.device) -> int:
    """Tokens of all rows that are planned in one batch.

    At the published size each leaves four kilobytes of keys and values. A GPU has to have room for them; a processor
    takes longer to read them where few are in its cache.
    """
    return 2**15 * torch.get_num_threads() if device.type == "cpu" else 2**20


@dataclass(frozen=True)
class SearchSettings:
    """What shapes any search."""

    horizon: int
    """Transitions to plan, H."""

    beam_width: int
    """Beams kept, W."""

    limit: int
    """Tokens the model is shown at most; beyond, whole transitions are dropped from the left."""

    sampling: Sampling
    """How logits become probabilities."""

    stop: Literal["end", "reference"]
    """`end`: nothing counts after the end of an episode. `reference`: as published, the stop token and dead bins are
    tokens like any other, in every column."""

    cuda_graph: bool = True
    """Whether plans are recorded and replayed on a GPU, unless they are speculated whatever the device."""

    def shown(self, context: Tensor, layout: Layout) -> int:
        """Tokens that the model is shown at most, of contexts (B, L) and what follows."""
        return min(self.limit, context.shape[1] + self.horizon * layout.width)


class Grammar:
    """Which tokens can stand in a column: no dead bins, and the stop token only where an episode can end."""

    def __init__(self, discretizer: Discretizer, stop: Literal["end", "reference"]) -> None:
        self._ends = stop == "end"
        self._stop = discretizer.stop
        forbidden = torch.zeros(discretizer.layout.width, discretizer.vocabulary, dtype=torch.bool)
        if self._ends:
            forbidden[:, : discretizer.bins] = ~discretizer.live.cpu()
            forbidden[1:, discretizer.stop] = True
        device = discretizer.live.device
        self._forbidden = [row.nonzero()[:, 0].to(device) if row.any() else None for row in forbidden]  # (F,)

    def masked(self, logits: Tensor, column: int) -> Tensor:
        """Logits (..., V) without the tokens that cannot stand in a column."""
        forbidden = self._forbidden[column]
        return logits if forbidden is None else logits.index_fill(-1, forbidden, -torch.inf)

    def ended(self, before: Tensor, tokens: Tensor, column: int) -> Tensor:
        """Which rows (R,) have reached the end of the episode, with what is now written into a column."""
        return before | (tokens == self._stop) if self._ends and column == 0 else before


def in_turns(
    plan: Callable[..., Plan], tokens: int, context: Tensor, goal: Tensor | None, uniforms: Tensor | None = None
) -> Plan:
    """Plan for contexts (B, L) in turns of :func:`tokens_at_once`, which changes nothing but time and memory.

    Args:
        plan: the search, for some contexts, goals and perhaps uniform numbers.
        tokens: that the rows of each context hold at most, all together.
        context: all of them.
        goal: their goals (B, G), if there are any.
        uniforms: their uniform numbers (H, A, B, C), if there are any.
    """
    at_once = max(1, tokens_at_once(context.device) // tokens)
    turns = torch.split(torch.arange(len(context), device=context.device), at_once)
    plans = []
    for turn in turns:
        numbers = [uniforms[:, :, turn]] if uniforms is not None else []
        plans.append(plan(context[turn], goal[turn] if goal is not None else None, *numbers))
    return Plan(torch.cat([plan.tokens for plan in plans]), torch.cat([plan.score for plan in plans]))


class Reader:
    """The rows of a search, read by the model no sooner than their next token is asked for.

    Row k of context b is flat row ``b * K + k``; at first, K is 1.

    Args:
        model: reads.
        context: tokens (B, L) that all rows of a context begin with.
        settings: of the search.
        goal: tokens (B, G), if the model is to know one.
        static: whether what is read depends on shapes alone: nothing is guessed, and rows that are alike are not
            found. That is how a search is recorded.
    """

    def __init__(
        self,
        model: SequenceModel,
        context: Tensor,
        settings: SearchSettings,
        goal: Tensor | None = None,
        *,
        static: bool = False,
    ) -> None:
        self.tokens = context  # (B * K, length): the context, and what has been written since
        self.rows = 1  # of each context, K
        self._static = static
        self._contexts, self._common = context.shape  # how many tokens all rows of a context have in common
        self._model = model
        self._limit = settings.limit
        self._empty = model.start(len(context), settings.shown(context, model.layout), goal)
        self._first = 0  # the first token shown to the model
        self._state: State | None = None
        self._selected: Tensor | None = None  # rows (B, K) that the state is still to go on with
        self._logits: Tensor | None = None

    def logits(self) -> Tensor:
        """Logits (B * K, V) of the next token."""
        if self._logits is None:
            self._logits = self._read()
        return self._logits

    def write(self, tokens: Tensor) -> None:
        """Append a token (B * K,) to every row."""
        self.tokens = torch.cat([self.tokens, tokens.unsqueeze(1)], dim=1)
        self._logits = None

    def extend(self, columns: Sequence[int], choose: Callable[[Tensor, int], Tensor], *, speculate: bool) -> None:
        """Append the tokens of some columns of a transition to every row.

        Args:
            columns: in their order.
            choose: tokens (B * K,) from the logits (B * K, V) of a column; its last call for each column counts.
            speculate: whether to guess all of them at once, see :meth:`_guess`.
        """
        length, layout = self.tokens.shape[1], self._model.layout
        last = length + len(columns) - 1  # the window must not move between the tokens guessed at once
        if speculate and not self._static and layout.dropped(length, self._limit) == layout.dropped(last, self._limit):
            self._guess(columns, choose)
        else:
            for column in columns:
                self.write(choose(self.logits(), column))

    def _guess(self, columns: Sequence[int], choose: Callable[[Tensor, int], Tensor]) -> None:
        """As :meth:`extend`, in fewer and larger steps: guess all tokens, and read them until nothing changes.

        The first guess is the transition before; the next one is what would follow the tokens of the last. After n
        guesses n tokens are right at least, so that the end is what is written token by token (Jacobi decoding: Song et
        al. 2021, Santilli et al. 2023).
        """
        known = self._logits
        begun = self._followed()
        unread = self.tokens[:, self._first + begun.length :]
        tokens = self._before(len(columns))
        for _ in columns:
            guess = tokens[:, :-1]
            read, self._state = self._model.step(torch.cat([unread, guess], 1), begun.repeat(1))
            logits = [*([] if known is None else [known]), *precise(read).unbind(1)][-len(columns) :]
            tokens = torch.stack([choose(*pair) for pair in zip(logits, columns, strict=True)], 1)
            if torch.equal(guess, tokens[:, :-1]):
                break
        self.tokens, self._logits = torch.cat([self.tokens, tokens], 1), None

    def _before(self, count: int) -> Tensor:
        """What stands (B * K, count) where the next tokens will, a transition before; zeros where there is none."""
        tokens = self.tokens[:, -self._model.layout.width :][:, :count]
        return F.pad(tokens, (0, count - tokens.shape[1]))

    def repeat(self, copies: int) -> Tensor:
        """Let every context's rows stand ``copies`` times, one after the other; their flat rows (B * K * copies,)."""
        if copies == 1:
            return torch.arange(len(self.tokens), device=self.tokens.device)
        self._settle()
        self._state = self._state.repeat(copies) if self._state is not None else None
        return self._choose(repeated(self.rows, copies, self._contexts, self.tokens.device))

    def select(self, rows: Tensor) -> Tensor:
        """Go on with rows (B, K') of each context; their flat rows (B * K',).

        The state follows when it is read next, if it ever is: after the last transition nothing is read, and where the
        window moves a new state is begun.
        """
        self._settle()
        self._selected = rows
        return self._choose(rows)

    def _settle(self) -> None:
        """Let the state go on with the rows that were selected."""
        if self._selected is not None and self._state is not None:
            self._state = self._state.select(self._selected)
        self._selected = None

    def _choose(self, rows: Tensor) -> Tensor:
        flat = flattened(rows, self.rows)
        self.tokens = self.tokens.index_select(0, flat)
        self._logits = self._logits.index_select(0, flat) if self._logits is not None else None
        self.rows = rows.shape[1]
        return flat

    def _read(self) -> Tensor:
        """Show the model what it has not read."""
        state = self._followed()
        logits, self._state = self._model.read(self.tokens[:, self._first + state.length :], state)
        return precise(logits)

    def _followed(self) -> State:
        """The state, begun anew from position 0 where the window has moved."""
        first = self._model.layout.dropped(self.tokens.shape[1], self._limit)
        if self._state is None or first != self._first:
            self._first, self._state, self._selected = first, self._begun(first), None
        self._settle()
        return self._state

    def _begun(self, first: int) -> State:
        """A state that has read all but the last transition from token ``first``, everything once only.

        What all rows of a context have in common is read first, then one transition after the other, each by one of the
        rows that are alike so far.
        """
        state = self._empty.select(self.tokens.new_zeros(self._contexts, 1))  # it is used again where the window moves
        if self.rows == 1:
            return state
        tokens = self.tokens.view(self._contexts, self.rows, -1)
        start, width = max(first, self._common), self._model.layout.width
        if first < start:
            _, state = self._model.read(tokens[:, 0, first:start], state)
        if self._static:
            return self._begun_each(state, tokens[:, :, start : tokens.shape[2] - width])
        reading = tokens.new_zeros(self._contexts, self.rows)  # which of the state's rows each row goes on from
        alike = torch.ones(1, 1, 1, dtype=torch.bool, device=tokens.device)
        for end in range(first + width, tokens.shape[2] - width + 1, width):
            if end > start:
                part = tokens[:, :, start:end]
                alike = alike & (part.unsqueeze(1) == part.unsqueeze(2)).all(-1)
                leaders, follows = leading(alike)
                state = state.select(reading.gather(1, leaders))
                _, state = self._model.read(part.flatten(0, 1)[flattened(leaders, self.rows)], state)
                start, reading = end, follows
        return state.select(reading)

    def _begun_each(self, state: State, tokens: Tensor) -> State:
        """A state in which every row has read tokens (B, K, n) of its own after what all rows have in common."""
        state = state.select(tokens.new_zeros(self._contexts, self.rows))
        return self._model.read(tokens.flatten(0, 1), state)[1] if tokens.shape[2] else state


def precise(logits: Tensor) -> Tensor:
    """Logits in a precision in which few are equal and sums of probabilities are exact enough to draw from."""
    return logits.float() if logits.dtype == torch.bfloat16 else logits


def leading(alike: Tensor) -> tuple[Tensor, Tensor]:
    """The first of the rows that are alike, (B, K, K) bool.

    Returns:
        One row (B, U) of each kind, with others where a context has fewer kinds, and which of those each row (B, K) is
        alike to.
    """
    first = alike.to(torch.uint8).argmax(-1)
    leads = first == torch.arange(first.shape[1], device=first.device)
    kinds = int(leads.sum(1).max())
    leaders = leads.to(torch.uint8).sort(dim=1, descending=True, stable=True).indices[:, :kinds]
    return leaders, (leads.cumsum(1) - 1).gather(1, first)
