"""GPT: a Transformer decoder over transitions, with exact incremental decoding."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from ttf.columns import ColumnModel, GoalEmbedding
from ttf.interfaces.model import linear_weights
from ttf_plugins.gpt.state import GPTState
from ttf_plugins.gpt.training import Dropout, attend

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ttf.interfaces.model import State
    from ttf.layout import Layout
    from ttf_plugins.gpt import GPTConfig


@dataclass(frozen=True)
class Reading:
    """Where the tokens being read stand, and which keys they see."""

    kept: Tensor | None
    """Indices of the new tokens that leave keys; None if all do."""

    mask: Tensor | None
    """(n, stored) bool: the keys each new token sees; None if all."""

    state: GPTState | None
    """What was read before, with places for the new tokens; None for a whole sequence at once."""

    last: bool = False
    """Whether only what the last token gathers is wanted."""


class Attention(nn.Module):
    """Multi-head self-attention with one fused projection."""

    def __init__(self, config: GPTConfig) -> None:
        super().__init__()
        self.heads = config.heads
        self.dropout = config.attention_dropout
        self.qkv = nn.Linear(config.width, 3 * config.width)
        self.proj = nn.Linear(config.width, config.width)
        self.residual_dropout = Dropout(config.dropout)

    def forward(self, x: Tensor, reading: Reading, layer: int) -> Tensor:
        """What the tokens x (B, n, width), or the last of them, gather from those they see."""
        batch, length, width = x.shape
        q, k, v = self.qkv(x).view(batch, length, 3, self.heads, -1).permute(2, 0, 3, 1, 4)  # (B, heads, n, size)
        if reading.kept is not None:
            k, v = k.index_select(2, reading.kept), v.index_select(2, reading.kept)
        q = q[:, :, -1:] if reading.last else q
        if reading.state is not None:
            attended = reading.state.attended(q, k, v, reading.mask, layer)
        else:
            attended = attend(q, k, v, reading.mask, self.dropout if self.training else 0.0)
        out: Tensor = self.proj(attended.transpose(1, 2).reshape(batch, -1, width))
        return self.residual_dropout(out)  # type: ignore[no-any-return]  # nn.Module calls are untyped

    def weights(self, x: Tensor, reading: Reading) -> Tensor:
        """How much (B, heads, n, n) each token of a whole sequence x (B, n, width) takes from each."""
        batch, length, _ = x.shape
        q, k, _ = self.qkv(x).view(batch, length, 3, self.heads, -1).permute(2, 0, 3, 1, 4)
        scores = q @ k.transpose(-1, -2) / math.sqrt(q.shape[-1])
        places = torch.arange(length, device=x.device)
        kept = places if reading.kept is None else reading.kept
        hidden = torch.ones(length, length, dtype=torch.bool, device=x.device)
        hidden[:, kept] = False if reading.mask is None else ~reading.mask
        shares: Tensor = scores.masked_fill(hidden, -torch.inf).softmax(-1)
        return shares


class Block(nn.Module):
    """Pre-norm attention and a two-layer perceptron, both added to the residual stream."""

    def __init__(self, config: GPTConfig) -> None:
        super().__init__()
        self.ln1 = nn.LayerNorm(config.width)
        self.ln2 = nn.LayerNorm(config.width)
        self.attn = Attention(config)
        self.mlp = nn.Sequential(
            nn.Linear(config.width, 4 * config.width),
            nn.GELU(),
            nn.Linear(4 * config.width, config.width),
            Dropout(config.dropout),
        )

    def forward(self, x: Tensor, reading: Reading, layer: int) -> Tensor:
        """The residual stream x (B, n, width) after this block, or that of the last token alone."""
        gathered = self.attn(self.ln1(x), reading, layer)
        x = x[:, -gathered.shape[1] :] + gathered
        return x + self.mlp(self.ln2(x))  # type: ignore[no-any-return]  # nn.Module calls are untyped


class GPT(ColumnModel):
    """The published model: a table and a head per column, absolute positions, value tokens hidden as keys."""

    def __init__(self, config: GPTConfig, layout: Layout, bins: int) -> None:
        super().__init__(layout, bins, config.context, width=config.width, waves=config.waves, table=config.table)
        self.config = config
        self.pos_emb = nn.Parameter(torch.zeros(1, self.block, config.width))
        self.goal_emb = GoalEmbedding(layout.goal, bins, config.width, config.waves) if layout.goal else None
        self.drop = Dropout(config.dropout)
        self.blocks = nn.ModuleList(Block(config) for _ in range(config.layers))
        self.ln_f = nn.LayerNorm(config.width)
        kept = layout.goal + torch.nonzero(self.slots != layout.value)[:, 0]
        self.register_buffer("kept", torch.cat([torch.arange(layout.goal), kept]), persistent=False)
        self.apply(_initialise)

    kept: Tensor
    """Buffer: the positions, counted from the goal's first, that are keys: all but those of value tokens."""

    def forward(self, tokens: Tensor, goal: Tensor | None = None) -> Tensor:
        """Logits (B, L, bins + 1) for tokens (B, L)."""
        tables = self.tables()
        x = self._embed(tokens, 0, tables.embedding)
        x = torch.cat([*self._goal(goal, len(tokens)), x], dim=1)
        x = self._through(self.drop(x), 0, None)
        return self.logits(self.ln_f(x[:, self.layout.goal :]), 0, tables)

    @torch.no_grad()
    def attention(self, tokens: Tensor, goal: Tensor | None = None) -> Tensor:
        """Attention weights (layers, B, heads, L, G + L) of tokens (B, L), as a forward pass has them."""
        weights: list[Tensor] = []
        hooks = [
            block.get_submodule("attn").register_forward_pre_hook(
                lambda attention, inputs: weights.append(attention.weights(*inputs[:2]))
            )
            for block in self.blocks
        ]
        try:
            self(tokens, goal)
        finally:
            for hook in hooks:
                hook.remove()
        return torch.stack(weights)[..., self.layout.goal :, :]

    def start(self, batch: int, capacity: int, goal: Tensor | None = None) -> State:
        """A state for ``batch`` groups of one sequence of at most ``capacity`` tokens, empty but for the goal."""
        stored = self._visible(self.layout.goal + capacity)
        state = GPTState(groups=batch, capacity=stored, tables=self.tables())
        for aim in self._goal(goal, batch):
            state = self._read(self.drop(aim), 0, state, last=True)[1]
        return state

    def step(self, tokens: Tensor, state: State) -> tuple[Tensor, State]:
        """Logits (B * K, n, bins + 1) of tokens (B * K, n) that follow ``state``, and the state after them."""
        return self._step(tokens, state, last=False)

    def read(self, tokens: Tensor, state: State) -> tuple[Tensor, State]:
        """Logits (B * K, bins + 1) of the last of tokens (B * K, n), and the state after them."""
        logits, state = self._step(tokens, state, last=True)
        return logits[:, 0], state

    def decayed_parameters(self) -> Iterable[nn.Parameter]:
        """Weights of the linear maps and of the heads."""
        return [*linear_weights(self), self.head.weight]

    def _visible(self, end: int) -> int:
        """How many of the positions before ``end``, counted from the goal's first, leave keys."""
        return end - max(0, end - self.layout.goal) // self.layout.width

    def _step(self, tokens: Tensor, state: State, *, last: bool) -> tuple[Tensor, State]:
        """Logits (B * K, n, bins + 1), or (B * K, 1, bins + 1) of the last token, and the state after tokens."""
        if not isinstance(state, GPTState):
            message = f"a GPT continues the states it started, found {type(state).__name__}"
            raise TypeError(message)
        x = self.drop(self._embed(tokens, state.length, state.tables.embedding))
        end = state.length + tokens.shape[1]
        x, after = self._read(x, self.layout.goal + state.length, state, last=last)
        return self.logits(self.ln_f(x), end - x.shape[1], state.tables), replace(after, length=end)

    def _read(self, x: Tensor, start: int, state: GPTState, *, last: bool) -> tuple[Tensor, GPTState]:
        """What the blocks make of x (B * K, n, width) from position ``start``, and the state after it."""
        new = self._visible(start + x.shape[1]) - self._visible(start)
        like = x.new_empty(self.config.heads, self.config.width // self.config.heads)
        after = state.extended(new, like, self.config.layers)
        return self._through(x, start, after, last=last), after

    def _through(self, x: Tensor, start: int, state: GPTState | None, *, last: bool = False) -> Tensor:
        """The residual stream x (B, n, width) after all blocks, from position ``start``, counted from the goal's."""
        reading = self._reading(start, start + x.shape[1], state)
        for layer, block in enumerate(self.blocks):
            if last and layer == len(self.blocks) - 1:
                reading = replace(reading, last=True, mask=None)  # the last token sees all
            x = block(x, reading, layer)
        return x

    def _goal(self, goal: Tensor | None, batch: int) -> list[Tensor]:
        """The embedded goal (B, G, width), which has no positions, if there are goals at all."""
        tokens = self.goal_tokens(goal, batch)
        return [self.goal_emb(tokens)] if self.goal_emb is not None else []

    def _embed(self, tokens: Tensor, start: int, table: Tensor) -> Tensor:
        embedded = self.embedded(tokens, start, table, values=self.config.value_leak == "reference")
        return embedded + self.pos_emb[:, start : start + tokens.shape[1]]

    def _reading(self, start: int, end: int, state: GPTState | None) -> Reading:
        """Keys are the positions that are no value slots; a token sees those up to its own position."""
        before, visible = self._visible(start), self._visible(end)
        kept = self.kept[before:visible] - start if visible - before < end - start else None
        if end - start == 1:
            return Reading(kept, None, state)
        first = 0 if state is not None else before
        queries = torch.arange(start, end, device=self.kept.device)
        return Reading(kept, self.kept[first:visible] <= queries.unsqueeze(1), state)


def _initialise(module: nn.Module) -> None:
    """N(0, 0.02) weights and zero biases; the heads keep their own."""
    if isinstance(module, nn.Linear | nn.Embedding):
        nn.init.normal_(module.weight, std=0.02)
    if isinstance(module, nn.Linear):
        nn.init.zeros_(module.bias)
