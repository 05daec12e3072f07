"""Gated recurrent units over the tokens of a trajectory."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, final

import torch
from torch import Tensor, nn
from ttf.interfaces.model import SequenceModel, State, linear_weights

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ttf.layout import Layout


@final
@dataclass(frozen=True, kw_only=True)
class Memory(State):
    """What the units remember of the tokens read so far."""

    hidden: Tensor  # (1, B * K, width)

    def select(self, rows: Tensor) -> Memory:
        """The state in which new row ``k`` of group ``g`` continues old row ``rows[g, k]`` of it."""
        flat = self.flat(rows).to(self.hidden.device)
        return replace(self, hidden=self.hidden.index_select(1, flat), rows=rows.shape[1])


@final
class MyModel(SequenceModel):
    """A table of embeddings for every column, one layer of units, and one linear map to the next token."""

    def __init__(self, layout: Layout, bins: int, context: int, width: int) -> None:
        super().__init__(layout, bins, context)
        self.embedding = nn.Embedding(layout.width * (bins + 1), width)
        self.goal_embedding = nn.Embedding(max(1, layout.goal) * (bins + 1), width)
        self.units = nn.GRU(width, width, batch_first=True)
        self.head = nn.Linear(width, bins + 1)

    def forward(self, tokens: Tensor, goal: Tensor | None = None) -> Tensor:
        """Logits (B, L, bins + 1) for tokens (B, L)."""
        return self.step(tokens, self.start(len(tokens), tokens.shape[1], goal))[0]

    def start(self, batch: int, capacity: int, goal: Tensor | None = None) -> State:  # noqa: ARG002  (of fixed size)
        """A state that has read nothing but the goal."""
        rows = self._rows(self.goal_tokens(goal, batch), range(self.layout.goal))
        return Memory(hidden=self.goal_embedding(rows).sum(1).unsqueeze(0), groups=batch)

    def step(self, tokens: Tensor, state: State) -> tuple[Tensor, State]:
        """Logits (B * K, n, bins + 1) of tokens (B * K, n) that follow ``state``, and the state after them.

        Raises:
            ValueError: there are more tokens than the model reads.
        """
        if not isinstance(state, Memory):
            message = f"the model continues the states it started, found {type(state).__name__}"
            raise TypeError(message)
        length = state.length + tokens.shape[1]
        if length > self.block:
            message = f"{length} tokens, but this model reads at most {self.block}"
            raise ValueError(message)
        rows = self._rows(tokens, self.layout.slots(tokens.shape[1], state.length))
        seen, hidden = self.units(self.embedding(rows), state.hidden)
        return self.head(seen), replace(state, hidden=hidden, length=length)

    def decayed_parameters(self) -> Iterable[nn.Parameter]:
        """Weights of the linear map and of the units."""
        return [
            *linear_weights(self),
            self.units.get_parameter("weight_ih_l0"),
            self.units.get_parameter("weight_hh_l0"),
        ]

    def _rows(self, tokens: Tensor, columns: Iterable[int]) -> Tensor:
        """Rows (B, n) of a table that has ``bins + 1`` for each column, for tokens (B, n) of these columns."""
        return tokens + torch.tensor([*columns], dtype=torch.int64, device=tokens.device) * (self.bins + 1)
