"""Small worlds whose dynamics are known, and sequence models that know them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

import numpy as np
import torch
from torch import Tensor, nn

from ttf.component import DataConfig
from ttf.episodes import Rows
from ttf.interfaces.analysis import Subject
from ttf.interfaces.model import SequenceModel, State
from ttf.layout import Layout
from ttf_plugins.uniform import UniformConfig

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ttf.interfaces.data import DataSource
    from ttf.interfaces.discretizer import Discretizer
    from ttf.interfaces.progress import Progress

BINS = 7
LAYOUT = Layout(2, 1)
SPREAD = (0.25, 0.5, 0.25)
"""Probabilities of -1, 0 and 1, the noise of the second state dimension."""


class WorldData(DataConfig):
    kind: Literal["world"] = "world"

    def build(self, *, seed: int, progress: Progress) -> DataSource:
        raise NotImplementedError


def world(episodes: int, length: int, seed: int, *, memory: bool = True, noise: bool = False) -> Rows:
    """Walks on a ring of ``BINS`` places: x' = x + a, and with memory + the place before; y' = y, perhaps with noise.

    Rewards are random, and mean nothing.
    """
    random = np.random.default_rng(seed)
    x, before, y = (random.integers(BINS, size=episodes) for _ in range(3))
    columns = []
    for _ in range(length):
        action, reward, value = (random.integers(BINS, size=episodes) for _ in range(3))
        columns.append(np.stack([x, y, action, reward, value], 1))
        x, before = (x + action + (before if memory else 0)) % BINS, x
        y = (y + (random.choice([-1, 0, 1], p=SPREAD, size=episodes) if noise else 0)) % BINS
    values = np.stack(columns, 1).reshape(-1, LAYOUT.width).astype(np.float32)
    ends = np.zeros(episodes, dtype=np.bool_)
    return Rows(LAYOUT, values, np.full(episodes, length), ends, np.zeros((episodes, 0), np.float32))


@dataclass(frozen=True, kw_only=True)
class TokensState(State):
    """All that was read."""

    tokens: Tensor

    def select(self, rows: Tensor) -> TokensState:
        return replace(self, tokens=self.tokens[self.flat(rows)], rows=rows.shape[1])


class KnowingModel(SequenceModel):
    """Knows the world; what it needs and was not shown is equally likely to be anything, as are all other tokens."""

    def __init__(self, context: int, *, memory: bool = True, noise: bool = False) -> None:
        super().__init__(LAYOUT, BINS, context)
        self.memory, self.noise = memory, noise
        self.anchor = nn.Parameter(torch.zeros(1))
        self.longest = 0

    def forward(self, tokens: Tensor, goal: Tensor | None = None) -> Tensor:
        logits = torch.zeros(*tokens.shape, BINS + 1)
        for position in range(tokens.shape[1]):
            slot = LAYOUT.slots(1, position + 1)[0]
            if slot in (0, 1) and position + 1 >= LAYOUT.width:
                logits[:, position] = self._known(tokens[:, : position + 1], slot)
        return logits

    def _known(self, tokens: Tensor, slot: int) -> Tensor:
        at = tokens.shape[1] - slot - LAYOUT.width  # where the transition before begins
        if slot == 1:
            probabilities = torch.zeros(len(tokens), BINS + 1)
            for step, chance in zip((-1, 0, 1), SPREAD if self.noise else (0, 1, 0), strict=True):
                probabilities[torch.arange(len(tokens)), (tokens[:, at + 1] + step) % BINS] += chance
            return (probabilities + 1e-30).log()
        following = tokens[:, at] + tokens[:, at + 2]
        if self.memory:
            if at < LAYOUT.width:
                return torch.zeros(len(tokens), BINS + 1)
            following = following + tokens[:, at - LAYOUT.width]
        return 200 * nn.functional.one_hot(following % BINS, BINS + 1).float()

    def start(self, batch: int, capacity: int, goal: Tensor | None = None) -> TokensState:
        assert capacity <= self.block
        return TokensState(tokens=torch.zeros(batch, 0, dtype=torch.int64), groups=batch)

    def step(self, tokens: Tensor, state: object) -> tuple[Tensor, TokensState]:
        assert isinstance(state, TokensState)
        read = torch.cat([state.tokens, tokens], 1)
        self.longest = max(self.longest, read.shape[1])
        assert read.shape[1] <= self.block
        return self(read)[:, state.length :], replace(state, tokens=read, length=read.shape[1])

    def decayed_parameters(self) -> Iterable[nn.Parameter]:
        return []


def fitted(layout: Layout = LAYOUT) -> Discretizer:
    """Every place is a bin of its own, and decodes as itself; bins are 1 wide, but for the two at the ends."""
    discretizer = UniformConfig(bins=BINS).build(layout)
    discretizer.fit(torch.arange(BINS, dtype=torch.float32)[:, None].expand(-1, LAYOUT.width))
    return discretizer


def subject(
    training: Rows, held_out: Rows | None = None, model: SequenceModel | None = None, *, stride: int = 1
) -> Subject:
    """A run about a world."""
    held_out = training.select(np.arange(0)) if held_out is None else held_out
    return Subject(WorldData(stride=stride), training, held_out, fitted(), model, torch.device("cpu"))
