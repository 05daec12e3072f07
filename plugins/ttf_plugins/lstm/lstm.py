"""LSTM: a recurrent model over tokens, whose state is all that incremental decoding needs."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from torch import Tensor, nn

from ttf.columns import ColumnModel, GoalEmbedding
from ttf.interfaces.model import State

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ttf.layout import Layout
    from ttf_plugins.lstm import LSTMConfig


@dataclass(frozen=True, kw_only=True)
class LSTMState(State):
    """What the layers remember of the tokens read so far."""

    hidden: Tensor
    """(layers, B * K, width)."""

    cell: Tensor
    """(layers, B * K, width)."""

    def select(self, rows: Tensor) -> LSTMState:
        """The state in which new row ``k`` of group ``g`` continues old row ``rows[g, k]`` of it."""
        flat = self.flat(rows).to(self.hidden.device)
        hidden, cell = self.hidden.index_select(1, flat), self.cell.index_select(1, flat)
        return replace(self, hidden=hidden, cell=cell, rows=rows.shape[1])


class LSTM(ColumnModel):
    """A table and a head per column around an LSTM; a value token is read as zeros, so that none can matter."""

    def __init__(self, config: LSTMConfig, layout: Layout, bins: int) -> None:
        super().__init__(layout, bins, config.context, width=config.width, waves=0, table=True)
        self.goal_emb = GoalEmbedding(layout.goal, bins, config.width) if layout.goal else None
        self.ln_in = nn.LayerNorm(config.width)
        self.drop = nn.Dropout(config.dropout)
        between = config.dropout if config.layers > 1 else 0.0  # torch warns of what has no effect
        self.lstm = nn.LSTM(config.width, config.width, config.layers, batch_first=True, dropout=between)
        self._remember()
        self.ln_out = nn.LayerNorm(config.width)

    def _remember(self) -> None:
        """Start with forget gates that are open: what was read a transition ago is not gone by then."""
        width = self.lstm.hidden_size
        for name, bias in self.lstm.named_parameters():
            if name.startswith("bias_ih"):
                nn.init.ones_(bias[width : 2 * width])  # of the gates input, forget, cell and output

    def forward(self, tokens: Tensor, goal: Tensor | None = None) -> Tensor:
        """Logits (B, L, bins + 1) for tokens (B, L)."""
        return self.step(tokens, self.start(len(tokens), tokens.shape[1], goal))[0]

    def start(self, batch: int, capacity: int, goal: Tensor | None = None) -> State:  # noqa: ARG002  (of fixed size)
        """An empty state for ``batch`` groups of one sequence, but for the goal, which is read first."""
        zeros = self.head.weight.new_zeros(self.lstm.num_layers, batch, self.lstm.hidden_size)
        tokens = self.goal_tokens(goal, batch)
        if self.goal_emb is None:
            return LSTMState(hidden=zeros, cell=zeros, groups=batch)
        _, (hidden, cell) = self.lstm(self.drop(self.goal_emb(tokens)), (zeros, zeros))
        return LSTMState(hidden=hidden, cell=cell, groups=batch)

    def step(self, tokens: Tensor, state: State) -> tuple[Tensor, State]:
        """Logits (B * K, n, bins + 1) of tokens (B * K, n) that follow ``state``, and the state after them."""
        if not isinstance(state, LSTMState):
            message = f"an LSTM continues the states it started, found {type(state).__name__}"
            raise TypeError(message)
        x = self.drop(self.ln_in(self.embedded(tokens, state.length, self.tok_emb.weight, values=False)))
        x, (hidden, cell) = self.lstm(x, (state.hidden, state.cell))
        logits = self.head(self.drop(self.ln_out(x)), state.length)
        return logits, replace(state, hidden=hidden, cell=cell, length=state.length + tokens.shape[1])

    def decayed_parameters(self) -> Iterable[nn.Parameter]:
        """Weights of the recurrent layers and of the heads."""
        recurrent = (weight for name, weight in self.lstm.named_parameters() if name.startswith("weight"))
        return [*recurrent, self.head.weight]
