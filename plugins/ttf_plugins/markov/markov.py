"""Markov: an autoregressive perceptron that sees the transition being written and the one before it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812  (the field's name for it)

from ttf.columns import ColumnLinear, ColumnModel, GoalEmbedding
from ttf.interfaces.model import State, linear_weights

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ttf.columns import Tables
    from ttf.layout import Layout
    from ttf_plugins.markov import MarkovConfig


@dataclass(frozen=True, kw_only=True)
class MarkovState(State):
    """What the next prediction sees of the tokens read so far."""

    seen: Tensor
    """(B * K, 2 * width): the sums of the embeddings of the transition being written, and of the one before it."""

    goal: Tensor
    """(B * K, width): the sum of the embeddings of the goal."""

    tables: Tables
    """What embeds tokens, and what makes logits."""

    def select(self, rows: Tensor) -> MarkovState:
        """The state in which new row ``k`` of group ``g`` continues old row ``rows[g, k]`` of it."""
        flat = self.flat(rows).to(self.seen.device)
        seen, goal = self.seen.index_select(0, flat), self.goal.index_select(0, flat)
        return replace(self, seen=seen, goal=goal, rows=rows.shape[1])


class Markov(ColumnModel):
    """Sums of embeddings, a map of them for every slot, and perceptrons that all slots share.

    The weight between a token and the prediction of another is the product of the first one's embedding and the
    second one's map: a masked linear map over all pairs of slots, in factors, whose sums can be carried on from token
    to token.
    """

    def __init__(self, config: MarkovConfig, layout: Layout, bins: int) -> None:
        super().__init__(layout, bins, config.context, width=config.width, waves=config.waves, table=config.table)
        self.goal_emb = GoalEmbedding(layout.goal, bins, config.width, config.waves) if layout.goal else None
        self.mix = ColumnLinear(layout.width, config.width, 2 * config.width)
        self.slot_emb = nn.Parameter(torch.zeros(layout.width, config.width))
        self.blocks = nn.ModuleList(Block(config) for _ in range(config.layers))
        self.ln_f = nn.LayerNorm(config.width)
        completed = [slot == 0 for slot in layout.slots(layout.width, start=1)]
        self.register_buffer("completed", torch.tensor(completed).unsqueeze(1), persistent=False)

    completed: Tensor
    """Buffer (D, 1) bool: the slot whose token completes a transition; the next one begins another."""

    def forward(self, tokens: Tensor, goal: Tensor | None = None) -> Tensor:
        """Logits (B, L, bins + 1) for tokens (B, L)."""
        return self.step(tokens, self.start(len(tokens), tokens.shape[1], goal))[0]

    def predict(self, tokens: Tensor, places: Tensor, goal: Tensor | None = None) -> Tensor:
        """Logits (B, P, bins + 1) after the tokens at places (P,) of tokens (B, L)."""
        state, slots = self._started(len(tokens), goal), self.slots[places]
        seen = self._seen(tokens, state)[:, places]
        _, head, bias = state.tables
        return self.head.at(self._through(self.mix.at(seen, slots), slots, state), slots, head, bias)

    def start(self, batch: int, capacity: int, goal: Tensor | None = None) -> State:  # noqa: ARG002  (of fixed size)
        """An empty state for ``batch`` groups of one sequence, but for the goal."""
        return self._started(batch, goal)

    def _started(self, batch: int, goal: Tensor | None) -> MarkovState:
        seen = self.mix.weight.new_zeros(batch, self.mix.weight.shape[2])
        tokens = self.goal_tokens(goal, batch)
        aim = self.goal_emb(tokens).sum(1) if self.goal_emb is not None else self.slot_emb.new_zeros(1)
        return MarkovState(
            seen=seen, goal=aim.expand(batch, self.slot_emb.shape[1]), tables=self.tables(), groups=batch
        )

    def step(self, tokens: Tensor, state: State) -> tuple[Tensor, State]:
        """Logits (B * K, n, bins + 1) of tokens (B * K, n) that follow ``state``, and the state after them."""
        return self._step(tokens, state, tokens.shape[1])

    def read(self, tokens: Tensor, state: State) -> tuple[Tensor, State]:
        """Logits (B * K, bins + 1) of the last of tokens (B * K, n), and the state after them."""
        logits, state = self._step(tokens, state, 1)
        return logits[:, 0], state

    def decayed_parameters(self) -> Iterable[nn.Parameter]:
        """Weights of the linear maps and of the heads."""
        return [*linear_weights(self), self.mix.weight, self.head.weight]

    def _step(self, tokens: Tensor, state: State, count: int) -> tuple[Tensor, State]:
        """Logits (B * K, count, bins + 1) of the last of tokens (B * K, n), and the state after them."""
        if not isinstance(state, MarkovState):
            message = f"a Markov model continues the states it started, found {type(state).__name__}"
            raise TypeError(message)
        seen, end = self._seen(tokens, state), state.length + tokens.shape[1]
        start = end - count
        x = self._through(self.mix(seen[:, -count:], start), self.slots[start:end], state)
        return self.logits(x, start, state.tables), replace(state, seen=seen[:, -1], length=end)

    def _through(self, mixed: Tensor, slots: Tensor, state: MarkovState) -> Tensor:
        """What the perceptrons make (B * K, P, width) of what the predictions in slots (P,) have mixed."""
        x = mixed + self.slot_emb[slots] + state.goal.unsqueeze(1)
        for block in self.blocks:
            x = block(x)
        normed: Tensor = self.ln_f(x)
        return normed

    def _seen(self, tokens: Tensor, state: MarkovState) -> Tensor:
        """What the prediction after each of tokens (B * K, n) sees (B * K, n, 2 * width)."""
        embedded = self.embedded(tokens, state.length, state.tables.embedding, values=False)
        slot, slots, length = self.layout.slots(1, state.length)[0], self.layout.width, embedded.shape[1]
        written, before = state.seen.unsqueeze(1).chunk(2, dim=-1)  # (B, 1, width)
        if length == 1:
            return _turned(written + embedded, before, self.completed[slot])
        x = F.pad(embedded, (0, 0, slot, -(slot + length) % slots))  # to whole transitions
        sums = x.view(len(x), -1, slots, x.shape[2]).cumsum(2)  # (B, T, D, width)
        sums[:, 0] += written
        before = torch.cat([before, sums[:, :-1, -1]], 1).unsqueeze(2)  # (B, T, 1, width)
        return _turned(sums, before, self.completed).flatten(1, 2)[:, slot : slot + length]


class Block(nn.Module):
    """A two-layer perceptron, added to the residual stream."""

    def __init__(self, config: MarkovConfig) -> None:
        super().__init__()
        self.mlp = nn.Sequential(
            nn.LayerNorm(config.width),
            nn.Linear(config.width, 4 * config.width),
            nn.GELU(),
            nn.Linear(4 * config.width, config.width),
            nn.Dropout(config.dropout),
        )

    def forward(self, x: Tensor) -> Tensor:
        """The residual stream x (B, n, width) after this block."""
        return x + self.mlp(x)  # type: ignore[no-any-return]  # nn.Module calls are untyped


def _turned(sums: Tensor, before: Tensor, completed: Tensor) -> Tensor:
    """Sums and those of the transition before; where a transition is completed, none and its own."""
    return torch.cat([sums.masked_fill(completed, 0.0), torch.where(completed, sums, before)], -1)
