"""Imagine what follows from actions: the sequence model in the place of the dynamics."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, final

import torch
from torch import Tensor

from ttf.reader import Grammar, Reader, SearchSettings
from ttf.sampling import Sampling, draw

if TYPE_CHECKING:
    from collections.abc import Callable

    from ttf.interfaces.discretizer import Discretizer
    from ttf.interfaces.model import SequenceModel


@dataclass(frozen=True)
class Imagined:
    """N plans for each of B contexts."""

    tokens: Tensor
    """(B, N, H, D)"""

    alive: Tensor
    """Which transitions begin before the end of the episode, (B, N, H) bool."""

    returns: Tensor
    """Discounted rewards and the value after the last one, as the model expects them, (B, N)."""


@final
class Rollouts:
    """Imagines plans: rewards are expectations, observations the likeliest ones.

    Args:
        model: what follows.
        discretizer: of its tokens.
        horizon: transitions of a plan.
        discount: of rewards and values.
    """

    def __init__(self, model: SequenceModel, discretizer: Discretizer, *, horizon: int, discount: float) -> None:
        self.model, self.discretizer = model, discretizer
        self.layout = model.layout
        self.horizon, self.discount = horizon, discount
        self._grammar = Grammar(discretizer, "end")

    def sampled(self, context: Tensor, goal: Tensor | None, uniforms: Tensor) -> Imagined:
        """Plans whose actions the model samples, by uniform numbers (B, N, H, A)."""

        def choose(reader: Reader, t: int, dimension: int) -> Tensor:
            logits = self._grammar.masked(reader.logits(), self.layout.actions.start + dimension)
            return draw(logits.softmax(-1), uniforms[:, :, t, dimension].flatten())

        return self._imagined(context, goal, uniforms.shape[1], choose)

    def given(self, context: Tensor, goal: Tensor | None, actions: Tensor) -> Imagined:
        """Plans with these tokens (B, N, H, A) as actions."""

        def choose(_reader: Reader, t: int, dimension: int) -> Tensor:
            return actions[:, :, t, dimension].flatten()

        return self._imagined(context, goal, actions.shape[1], choose)

    def _imagined(
        self, context: Tensor, goal: Tensor | None, plans: int, choose: Callable[[Reader, int, int], Tensor]
    ) -> Imagined:
        """Plans whose actions are chosen one dimension after the other."""
        settings = SearchSettings(
            horizon=self.horizon, beam_width=plans, limit=self.model.block, sampling=Sampling(), stop="end"
        )
        reader = Reader(self.model, context, settings, goal)
        reader.logits()  # read once per context, not once per plan
        reader.repeat(plans)
        ended = torch.zeros(len(reader.tokens), dtype=torch.bool, device=context.device)
        returns = torch.zeros(len(reader.tokens), device=context.device)
        value, alive = returns, []
        for t in range(self.horizon):
            if t:
                ended = self._observe(reader, ended)
            alive.append(~ended)
            for dimension in range(self.layout.action):
                self._write(reader, ended, choose(reader, t, dimension))
            reward, value = (self._expect(reader, ended, column) for column in (self.layout.reward, self.layout.value))
            returns = returns + self.discount**t * reward
        returns = returns + self.discount**self.horizon * value
        start = context.shape[1] - self.layout.observation
        tokens = reader.tokens[:, start:].reshape(len(context), plans, self.horizon, self.layout.width)
        shape = (len(context), plans)
        return Imagined(tokens, torch.stack(alive, 1).view(*shape, self.horizon), returns.view(shape))

    def _observe(self, reader: Reader, ended: Tensor) -> Tensor:
        """Write the likeliest next observation, or the end of the episode; which plans have now ended."""
        for column in range(self.layout.observation):
            tokens = self._grammar.masked(reader.logits(), column).argmax(-1)
            ended = self._grammar.ended(ended, tokens, column)
            self._write(reader, ended, tokens)
        return ended

    def _expect(self, reader: Reader, ended: Tensor, column: int) -> Tensor:
        """Write the likeliest token of a column; its expected value, 0 where the plan has ended."""
        logits = self._grammar.masked(reader.logits(), column)
        self._write(reader, ended, logits.argmax(-1))
        expected = self.discretizer.expectation(logits.softmax(-1)[:, : self.discretizer.bins], column)
        return expected.masked_fill(ended, 0.0)

    def _write(self, reader: Reader, ended: Tensor, tokens: Tensor) -> None:
        reader.write(tokens.masked_fill(ended, self.discretizer.stop))
