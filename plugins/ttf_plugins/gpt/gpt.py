"""GPT: a Transformer decoder over transitions, with exact incremental decoding."""

from __future__ import annotations

import math
from dataclasses import replace
from functools import cache
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from ttf.columns import ColumnModel, GoalEmbedding
from ttf.interfaces.model import linear_weights
from ttf_plugins.gpt.decoding import Ends, Layer
from ttf_plugins.gpt.loops import attended_whole, perceptron, where_numba_works
from ttf_plugins.gpt.state import GPTState
from ttf_plugins.gpt.tiled import TiledState
from ttf_plugins.gpt.training import Dropout

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ttf.interfaces.model import State
    from ttf.layout import Layout
    from ttf_plugins.gpt import GPTConfig


class Attention(nn.Module):
    """Multi-head self-attention with one fused projection."""

    def __init__(self, config: GPTConfig) -> None:
        super().__init__()
        self.heads = config.heads
        self.dropout = config.attention_dropout
        self.qkv = nn.Linear(config.width, 3 * config.width)
        self.proj = nn.Linear(config.width, config.width)
        self.residual_dropout = Dropout(config.dropout)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        """What the tokens x (B, n, width) of whole sequences gather from those they see, by a mask (n, n) bool."""
        batch, length, width = x.shape
        qkv = self.qkv(x).view(batch, length, 3, self.heads, -1)
        gathered = attended_whole(qkv, mask, self.dropout if self.training else 0.0)
        out: Tensor = self.proj(gathered.reshape(batch, length, width))
        return self.residual_dropout(out)  # type: ignore[no-any-return]  # nn.Module calls are untyped

    def weights(self, x: Tensor, mask: Tensor) -> Tensor:
        """How much (B, heads, n, n) each token of a whole sequence x (B, n, width) takes from each."""
        batch, length, _ = x.shape
        q, k, _ = self.qkv(x).view(batch, length, 3, self.heads, -1).permute(2, 0, 3, 1, 4)
        scores = q @ k.transpose(-1, -2) / math.sqrt(q.shape[-1])
        shares: Tensor = scores.masked_fill(~mask, -torch.inf).softmax(-1)
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

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        """The residual stream x (B, n, width) after this block; ``mask`` (n, n) says which tokens each token sees."""
        x = x + self.attn(self.ln1(x), mask)
        return x + perceptron(self.ln2(x), self.mlp)


class GPT(ColumnModel):
    """The published model: a table and a head per column, absolute positions, value tokens hidden as keys."""

    def __init__(self, config: GPTConfig, layout: Layout, bins: int) -> None:
        super().__init__(layout, bins, config.context, width=config.width, waves=config.waves, table=config.table)
        self.config = config
        self.knows_values = config.value_leak == "reference"
        self.pos_emb = nn.Parameter(torch.zeros(1, self.block, config.width))
        self.goal_emb = GoalEmbedding(layout.goal, bins, config.width, config.waves) if layout.goal else None
        self.drop = Dropout(config.dropout)
        self.blocks = nn.ModuleList(Block(config) for _ in range(config.layers))
        self.ln_f = nn.LayerNorm(config.width)
        kept = layout.goal + torch.nonzero(self.slots != layout.value)[:, 0]
        self.register_buffer("kept", torch.cat([torch.arange(layout.goal), kept]), persistent=False)
        keys = torch.zeros(layout.goal + self.block, dtype=torch.bool).index_fill(0, self.kept, True)
        self.register_buffer("mask", keys & torch.ones(len(keys), len(keys), dtype=torch.bool).tril(), persistent=False)
        self.apply(_initialise)

    kept: Tensor
    """Buffer: the positions, counted from the goal's first, that are keys: all but those of value tokens."""

    mask: Tensor
    """Buffer (G + block, G + block) bool: which positions each one sees: the keys up to its own."""

    def forward(self, tokens: Tensor, goal: Tensor | None = None) -> Tensor:
        """Logits (B, L, bins + 1) for tokens (B, L)."""
        tables = self.tables()
        x = self.embedded(tokens, 0, tables.embedding, values=self.knows_values) + self.pos_emb[:, : tokens.shape[1]]
        x = torch.cat([*self._goal(goal, len(tokens)), x], dim=1)
        x, mask = self.drop(x), self.mask[: x.shape[1], : x.shape[1]]
        for block in self.blocks:
            x = block(x, mask)
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
        state: GPTState = kind_of_state(self)(
            groups=batch,
            capacity=self._visible(self.layout.goal + capacity),
            ends=Ends.of(self),
            layers=tuple(Layer.of(block) for block in self.blocks if isinstance(block, Block)),
        )
        for aim in self._goal(goal, batch):
            state = self._read(aim, 0, state, last=True)[1]
        return state

    def step(self, tokens: Tensor, state: State) -> tuple[Tensor, State]:
        """Logits (B * K, n, bins + 1) of tokens (B * K, n) that follow ``state``, and the state after them.

        Nothing is dropped out, whatever the mode.
        """
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
        start, end = state.length, state.length + tokens.shape[1]
        self.check_reach(end)
        x, after = self._read(state.ends.embedded(tokens, start), self.layout.goal + start, state, last=last)
        if x.shape[1] == 1:
            return state.ends.logits(x[:, 0], end - 1).unsqueeze(1), replace(after, length=end)
        return self.head(x, start, state.ends.heads.mT, state.ends.bias), replace(after, length=end)

    def _read(self, x: Tensor, start: int, state: GPTState, *, last: bool) -> tuple[Tensor, GPTState]:
        """What the blocks and the last norm make of x (B * K, n, width), and the state after it.

        The first of them is at position ``start``, counted from the goal's first. If only the last is asked for, the
        last block makes nothing of the others.
        """
        tokens = x.shape[1]
        if not x.numel():
            return x, state
        end = start + tokens
        before, visible = self._visible(start), self._visible(end)
        kept = self.kept[before:visible] - start if visible - before < tokens else None
        mask = self.mask[start:end].index_select(1, self.kept[:visible]) if tokens > 1 else None
        after = state.extended(visible - before, self._coming(end))
        return after.through(x, kept, mask, last=last), after

    def _coming(self, position: int) -> int:
        """How many tokens from a position on, counted from the goal's first, leave keys before rows usually change."""
        slot = self.layout.slots(1, max(0, position - self.layout.goal))[0]
        return (self.layout.observation if slot < self.layout.observation else self.layout.value) - slot

    def _goal(self, goal: Tensor | None, batch: int) -> list[Tensor]:
        """The embedded goal (B, G, width), which has no positions, if there are goals at all."""
        tokens = self.goal_tokens(goal, batch)
        return [self.goal_emb(tokens)] if self.goal_emb is not None else []


def kind_of_state(model: GPT) -> type[GPTState]:
    """What remembers keys and values best where a model is."""
    weights = model.pos_emb
    computable = weights.device.type == "cpu" and weights.dtype in (torch.float32, torch.float64)
    differentiated = torch.is_grad_enabled() and any(each.requires_grad for each in model.parameters())
    if not computable or differentiated or torch.get_num_threads() > 1:
        return TiledState
    return mapped_state() or TiledState


@cache
def mapped_state() -> type[GPTState] | None:
    """The kind that needs machine code, if it can be compiled here."""

    def made() -> type[GPTState]:
        from ttf_plugins.gpt.kernels import compile_all
        from ttf_plugins.gpt.mapped import MappedState

        compile_all()
        return MappedState

    return where_numba_works(made)


def _initialise(module: nn.Module) -> None:
    """N(0, 0.02) weights and zero biases; the heads keep their own."""
    if isinstance(module, nn.Linear | nn.Embedding):
        nn.init.normal_(module.weight, std=0.02)
    if isinstance(module, nn.Linear):
        nn.init.zeros_(module.bias)
