"""Plans that are carried out by the expectations of their actions."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import torch

from ttf.interfaces.decoder import Decoder
from ttf.reader import Grammar

if TYPE_CHECKING:
    from torch import Tensor

    from ttf.interfaces.decoder import Plan
    from ttf.interfaces.discretizer import Discretizer
    from ttf.interfaces.model import SequenceModel


class ExpectedActions(Decoder):
    """Plans as another decoder does; its actions are the model's expectations, given the tokens planned before them.

    The likeliest of many bins is a noisy estimate of what a demonstrator does; the mean has the least squared error.

    Args:
        decoder: what plans.
        model: whose expectations.
        discretizer: fitted, with which it was trained.
        context: transitions that the model sees, the one expected among them.
        followed: transitions of a plan that are carried out at most; only their actions are computed.
    """

    def __init__(
        self, decoder: Decoder, model: SequenceModel, discretizer: Discretizer, *, context: int, followed: int
    ) -> None:
        self._decoder = decoder
        self._followed = followed
        self._model = model
        self._discretizer = discretizer
        self._limit = model.layout.block(min(context, model.context))
        self._grammar = Grammar(discretizer, "end")

    @torch.inference_mode()
    def plan(self, context: Tensor, generator: torch.Generator, goal: Tensor | None = None) -> Plan:
        """Plan from contexts (B, n * D + O) int64."""
        plan = self._decoder.plan(context, generator, goal)
        layout = self._model.layout
        tokens = torch.cat([context[:, : -layout.observation], plan.tokens.flatten(1)], dim=1)
        start = context.shape[1] - layout.observation
        ends = [start + t * layout.width + layout.reward for t in range(min(self._followed, plan.tokens.shape[1]))]
        return replace(plan, actions=torch.stack([self._expected(tokens[:, :end], goal) for end in ends], dim=1))

    def _expected(self, tokens: Tensor, goal: Tensor | None) -> Tensor:
        """Expected actions (B, A) of a last transition of which tokens (B, L) hold observation and action.

        A subgoal is a choice, of which there is no mean: it stays the planned one.
        """
        layout = self._model.layout
        columns = range(layout.width)[layout.acts]
        dropped = layout.dropped(tokens.shape[1], self._limit)
        logits = self._model(tokens[:, dropped:-1], goal)[:, -len(columns) :]
        likely = [self._grammar.masked(logits[:, i], column).softmax(-1) for i, column in enumerate(columns)]
        bins = self._discretizer.bins
        expected = [self._discretizer.expectation(p[:, :bins], c) for p, c in zip(likely, columns, strict=True)]
        subgoals = self._discretizer.decode(tokens[:, -layout.action :][:, : layout.subgoal], layout.subgoals.start)
        return torch.cat([subgoals, torch.stack(expected, dim=1)], dim=1)
