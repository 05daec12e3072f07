"""Beam search written to be obviously right: what the engine's plans and its speed are compared with."""

from __future__ import annotations

from time import process_time
from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import Tensor

from ttf.interfaces.decoder import Plan
from ttf.sampling import draw

if TYPE_CHECKING:
    from collections.abc import Callable

    from ttf.interfaces.discretizer import Discretizer
    from ttf.interfaces.model import SequenceModel
    from ttf.search import BeamSearch, BeamSettings


class Planned(NamedTuple):
    """A transition of R plans."""

    tokens: Tensor
    """(R, D)."""

    reward: Tensor
    """Expected reward (R,), 0 where the plan had ended before."""

    value: Tensor
    """Expected value after it (R,), 0 where the plan had ended before."""

    ended: Tensor
    """Whether the plan had ended before (R,) bool."""

    def select(self, rows: Tensor) -> Planned:
        """The plans at ``rows`` (R',)."""
        return Planned(*(part[rows] for part in self))


def published_score(plan: list[Planned], discount: float) -> Tensor:
    """Discounted expected rewards, and the discounted expected value after the last one (R,)."""
    rewards = sum((discount**t * planned.reward for t, planned in enumerate(plan)), torch.tensor(0.0))
    return rewards + discount ** len(plan) * plan[-1].value


class ReferenceSearch:
    """Plans as :class:`~ttf.search.BeamSearch` does: a full forward for every token, nothing remembered or shared.

    Args:
        model: asked for nothing but :meth:`~ttf.interfaces.model.SequenceModel.forward`.
        discretizer: fitted.
        settings: of the search.
        score: that of plans so far (R,), for a discount factor.
    """

    def __init__(
        self,
        model: SequenceModel,
        discretizer: Discretizer,
        settings: BeamSettings,
        score: Callable[[list[Planned], float], Tensor] = published_score,
    ) -> None:
        self.model, self.discretizer, self.settings = model, discretizer, settings
        self.layout, self.score = model.layout, score

    @torch.inference_mode()
    def plan(self, context: Tensor, uniforms: Tensor, goal: Tensor | None = None) -> Plan:
        """Plan from contexts (B, n * D + O), one after the other, with uniforms of ``BeamSearch.uniforms_shape``."""
        goals = [None] * len(context) if goal is None else goal.unsqueeze(1)
        plans = [self._plan(context[b], uniforms[:, :, b], goals[b]) for b in range(len(context))]
        return Plan(torch.stack([tokens for tokens, _ in plans]), torch.stack([score for _, score in plans]))

    def _plan(self, context: Tensor, uniforms: Tensor, goal: Tensor | None) -> tuple[Tensor, Tensor]:
        """Tokens (H, D) and score () of the best plan, for uniforms (H, A or A + O, W * E)."""
        settings, actions = self.settings, self.layout.action
        rows = context.expand(settings.beam_width, -1)
        device = context.device
        ended = torch.zeros(settings.beam_width, dtype=torch.bool, device=device)
        plan: list[Planned] = []
        best = torch.tensor(0.0)
        for t in range(settings.horizon):
            copies = torch.arange(settings.beam_width, device=device).repeat(settings.expand)
            rows, ended, plan = rows[copies], ended[copies], [planned.select(copies) for planned in plan]
            rows, reward, value = self._continued(rows, ended, uniforms[t, :actions], goal)
            plan = [*plan, Planned(rows[:, -self.layout.width :], reward, value, ended)]
            scores, order = self.score(plan, settings.discount).sort(descending=True, stable=True)
            best, kept = scores[0], order[: settings.beam_width]
            rows, ended, plan = rows[kept], ended[kept], [planned.select(kept) for planned in plan]
            if t < settings.horizon - 1:
                rows, ended = self._observed(rows, ended, uniforms[t, actions:, : settings.beam_width], goal)
        return torch.stack([planned.tokens[0] for planned in plan]), best

    def _continued(
        self, rows: Tensor, ended: Tensor, uniforms: Tensor, goal: Tensor | None
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Rows with an action, a reward and a value; the expected reward and value (R,)."""
        for column, numbers in zip(range(self.layout.width)[self.layout.actions], uniforms, strict=True):
            logits = self._logits(rows, column, goal)
            sampling = self.settings.sampling
            if self.settings.choosing is not None and column < self.layout.acts.start:
                sampling = self.settings.choosing
            rows = self._with(rows, ended, draw(sampling.probabilities(logits), numbers))
        expected = []
        for column in (self.layout.reward, self.layout.value):
            logits = self._logits(rows, column, goal) / self.settings.sampling.temperature
            probabilities = logits.softmax(-1)[:, : self.discretizer.bins]
            expected.append(torch.where(ended, 0.0, self.discretizer.expectation(probabilities, column)))
            rows = self._with(rows, ended, logits.argmax(-1))
        return rows, expected[0], expected[1]

    def _observed(self, rows: Tensor, ended: Tensor, uniforms: Tensor, goal: Tensor | None) -> tuple[Tensor, Tensor]:
        """Rows with the next observation, or the end of the episode."""
        for column in range(self.layout.observation):
            logits = self._logits(rows, column, goal)
            if self.settings.observing is None:
                tokens = logits.argmax(-1)
            else:
                tokens = draw(self.settings.observing.probabilities(logits), uniforms[column])
            if column == 0 and self.settings.stop == "end":
                ended = ended | (tokens == self.discretizer.stop)
            rows = self._with(rows, ended, tokens)
        return rows, ended

    def _logits(self, rows: Tensor, column: int, goal: Tensor | None) -> Tensor:
        """Logits (R, V) of the token after rows (R, L), without those that cannot stand in its column."""
        while rows.shape[1] > self.settings.limit:
            rows = rows[:, self.layout.width :]
        logits: Tensor = self.model(rows, None if goal is None else goal.expand(len(rows), -1))[:, -1].clone()
        if self.settings.stop == "end":
            logits[:, : self.discretizer.bins][:, ~self.discretizer.live[column]] = -torch.inf
            if column > 0:
                logits[:, self.discretizer.stop] = -torch.inf
        return logits

    def _with(self, rows: Tensor, ended: Tensor, tokens: Tensor) -> Tensor:
        """Rows with one token (R,) more, which is the stop token where the plan has ended."""
        return torch.cat([rows, torch.where(ended, self.discretizer.stop, tokens).unsqueeze(1)], dim=1)


class Comparison(NamedTuple):
    """What the engine and the reference made of the same contexts and random numbers."""

    plan: Plan
    """The engine's."""

    reference: Plan
    """The reference's."""

    seconds: float
    """Time of the engine, by the processor unless by another clock."""

    reference_seconds: float
    """Time of the reference."""

    @property
    def tokens(self) -> int:
        """Tokens compared."""
        return self.plan.tokens.numel()

    @property
    def differing(self) -> int:
        """Tokens that are not the same; an exact engine has none."""
        return int((self.plan.tokens != self.reference.tokens).sum())


def compare_searches(
    search: BeamSearch,
    context: Tensor,
    uniforms: Tensor,
    goal: Tensor | None = None,
    score: Callable[[list[Planned], float], Tensor] = published_score,
    clock: Callable[[], float] = process_time,
) -> Comparison:
    """Plan with the engine and with the reference; tests and ``ttf bench`` share this.

    Args:
        search: the engine with its model, discretizer and settings.
        context: tokens (B, n * D + O).
        uniforms: random numbers of ``search.uniforms_shape(B)``.
        goal: tokens (B, G), perhaps.
        score: the search's score, written for the reference.
        clock: tells the time in seconds.
    """
    reference = ReferenceSearch(search.model, search.discretizer, search.settings, score)
    started = clock()
    plan = search.plan(context, uniforms, goal)
    planned = clock()
    expected = reference.plan(context, uniforms, goal)
    return Comparison(plan, expected, planned - started, clock() - planned)
