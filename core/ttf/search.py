"""Beam search over trajectories (Janner et al. 2021, algorithm 1), batched over environments.

Every plan is a batch of B contexts times K rows; row k of context b is flat row ``b * K + k``. Candidates are
tiled as published: candidate ``e * beam_width + w`` continues beam w, and beams stand in descending order of
score.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Literal

import torch
from torch import Tensor

from ttf.captured import Captured, Recorder
from ttf.device import wanted
from ttf.interfaces.decoder import Decoder, Plan
from ttf.reader import Grammar, Reader, SearchSettings, in_turns
from ttf.sampling import draw

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ttf.interfaces.discretizer import Discretizer
    from ttf.interfaces.model import SequenceModel
    from ttf.layout import Layout
    from ttf.sampling import Sampling

__all__ = ["BeamDecoder", "BeamSearch", "BeamSettings", "Candidates", "Score", "predicted_return"]


@dataclass(frozen=True, kw_only=True)
class BeamSettings(SearchSettings):
    """What shapes a search over transitions; actions are sampled, rewards and values are not."""

    expand: int
    """Candidates per beam, E."""

    discount: float
    """Discount factor of rewards and values."""

    observing: Sampling | None = None
    """How observations are sampled; None takes the likeliest tokens."""

    choosing: Sampling | None = None
    """How subgoals are sampled; None for as actions are."""

    speculate: Literal["auto", "on", "off"] = "auto"
    """Whether the tokens of a transition are guessed at once, which changes the steps and not the plan."""

    def acting(self, layout: Layout, column: int) -> Sampling:
        """How a column of the action is sampled."""
        return self.choosing if self.choosing is not None and column < layout.acts.start else self.sampling


@dataclass(frozen=True)
class Candidates:
    """R candidates of transition ``t``, whose actions are chosen and whose score is wanted."""

    t: int
    """0 for the first transition of the plan."""

    tokens: Tensor
    """Observation and action (R, O + A)."""

    reward: Tensor
    """Expected reward (R,), 0 where the plan has ended."""

    value: Tensor
    """Expected value after it (R,), 0 where the plan has ended."""

    ended: Tensor
    """Whether the plan has reached the end of the episode (R,) bool."""


def predicted_return(candidates: Candidates, discount: float) -> Tensor:
    """What the model expects of the transition and of all that follows, (R,)."""
    return candidates.reward + discount * candidates.value


@dataclass(frozen=True)
class Score:
    """After transition t a plan scores its rewards before it, and ``discount ** t`` times a term of its own.

    The defaults make the published score: discounted rewards, and the discounted value after the last one.
    """

    term: Callable[[Candidates, float], Tensor] = predicted_return
    """Terms (R,) of candidates for a discount factor; what it says of plans that have ended does not count."""

    rewards: bool = True
    """Whether the expected rewards of the transitions before count."""

    every_step: bool = False
    """Whether the terms of the transitions before count."""


PUBLISHED = Score()


@dataclass
class _Rows:
    """What a search remembers of every row beside its tokens."""

    returns: Tensor  # (R,) discounted sum of the predicted rewards
    terms: Tensor  # (R,) discounted sum of the score's terms, where those of every step count
    score: Tensor  # (R,)
    ended: Tensor  # (R,) bool: the plan has reached the end of the episode

    def select(self, rows: Tensor) -> _Rows:
        """Those at flat indices (R',)."""
        return _Rows(*(x.index_select(0, rows) for x in (self.returns, self.terms, self.score, self.ended)))


class BeamSearch:
    """One search engine for every decoder; ``score`` is what it maximises."""

    def __init__(
        self,
        model: SequenceModel,
        discretizer: Discretizer,
        settings: BeamSettings,
        score: Score = PUBLISHED,
    ) -> None:
        self.model = model
        self.discretizer = discretizer
        self.layout = model.layout
        self.settings = settings
        self.score = score
        self._grammar = Grammar(discretizer, settings.stop)
        self._captured = Captured(self._plan, partial(self._plan, static=True), Recorder())

    def uniforms_shape(self, contexts: int) -> tuple[int, int, int, int]:
        """Shape (H, A, B, W * E) of the random numbers that a plan for ``contexts`` contexts uses.

        Where observations are sampled it is (H, A + O, B, W * E); the first W of the candidates use those of O.
        """
        candidates = self.settings.beam_width * self.settings.expand
        sampled = self.layout.reward if self.settings.observing else self.layout.action  # columns before the reward
        return (self.settings.horizon, sampled, contexts, candidates)

    @torch.inference_mode()
    def plan(self, context: Tensor, uniforms: Tensor, goal: Tensor | None = None) -> Plan:
        """Plan from contexts (B, n * D + O) int64, perhaps for goals (B, G) int64.

        ``uniforms`` are uniform numbers in [0, 1) of ``uniforms_shape``.
        """
        captured = self.settings.cuda_graph and context.is_cuda and self.settings.speculate != "on"
        tokens = uniforms.shape[-1] * self.settings.shown(context, self.layout)
        return in_turns(self._captured if captured else self._plan, tokens, context, goal, uniforms)

    def _plan(self, context: Tensor, goal: Tensor | None, uniforms: Tensor, *, static: bool = False) -> Plan:
        """The search itself; a ``static`` one does the same whatever the tensors hold, and never waits for a GPU."""
        settings, contexts = self.settings, len(context)
        reader = Reader(self.model, context, settings, goal, static=static)
        zeros = uniforms.new_zeros(contexts)
        rows = _Rows(zeros, zeros, zeros, zeros.bool())
        for t in range(settings.horizon):
            reader.logits()  # read once per beam, not once per candidate
            copies = uniforms.shape[-1] // reader.rows  # a single first beam stands for W equal ones
            rows = rows.select(reader.repeat(copies))
            predicted = self._act(reader, rows, uniforms[t, : self.layout.action].flatten(1))
            self._score(reader, rows, t, *predicted)
            best = best_rows(rows.score.view(contexts, -1), settings.beam_width)
            rows = rows.select(reader.select(best))
            if t < settings.horizon - 1:
                numbers = uniforms[t, self.layout.action :, :, : settings.beam_width]
                self._observe(reader, rows, numbers.flatten(1))
        start = context.shape[1] - self.layout.observation
        winners = torch.arange(contexts, device=context.device) * settings.beam_width
        tokens = reader.tokens[winners, start:].reshape(contexts, settings.horizon, self.layout.width)
        return Plan(tokens, rows.score[winners])

    def _act(self, reader: Reader, rows: _Rows, uniforms: Tensor) -> tuple[Tensor, Tensor]:
        """Sample the action tokens with uniforms (A, R); reward and value are the likeliest, and are expected (R,)."""
        layout = self.layout

        def choose(logits: Tensor, column: int) -> Tensor:
            if column >= layout.reward:
                return logits.argmax(-1)
            probabilities = self.settings.acting(layout, column).probabilities(logits)
            return draw(probabilities, uniforms[column - layout.observation])

        read = self._extend(reader, rows, range(layout.observation, layout.width), choose)
        reward, value = (self._expected(read[column], rows, column) for column in (layout.reward, layout.value))
        return reward, value

    def _score(self, reader: Reader, rows: _Rows, t: int, reward: Tensor, value: Tensor) -> None:
        """Score rows by the expected reward and value (R,) of what they have just done."""
        acted = reader.tokens[:, -self.layout.width :][:, : self.layout.reward]
        discount = self.settings.discount
        candidates = Candidates(t, acted, reward, value, rows.ended)
        term = self.score.term(candidates, discount).to(reward.dtype).masked_fill(rows.ended, 0.0)
        terms = rows.terms + discount**t * term
        rows.score = rows.returns + terms if self.score.rewards else terms
        rows.terms = terms if self.score.every_step else rows.terms
        rows.returns = rows.returns + discount**t * reward

    def _expected(self, logits: Tensor, rows: _Rows, column: int) -> Tensor:
        """The expected value (R,) of a column with logits (R, V), 0 where the plan has ended."""
        probabilities = (logits / self.settings.sampling.temperature).softmax(-1)[:, : self.discretizer.bins]
        return self.discretizer.expectation(probabilities, column).masked_fill(rows.ended, 0.0)

    def _observe(self, reader: Reader, rows: _Rows, uniforms: Tensor) -> None:
        """Write the next observation, or the end of the episode: the likeliest, or sampled with uniforms (O, R)."""
        before, observing = rows.ended, self.settings.observing

        def choose(logits: Tensor, column: int) -> Tensor:
            tokens = draw(observing.probabilities(logits), uniforms[column]) if observing else logits.argmax(-1)
            if column == 0:
                rows.ended = self._grammar.ended(before, tokens, column)
            return tokens

        self._extend(reader, rows, range(self.layout.observation), choose)

    def _extend(
        self, reader: Reader, rows: _Rows, columns: Sequence[int], choose: Callable[[Tensor, int], Tensor]
    ) -> dict[int, Tensor]:
        """Write columns, with the stop token where a plan has ended; the logits (R, V) that each was chosen from."""
        read: dict[int, Tensor] = {}

        def written(logits: Tensor, column: int) -> Tensor:
            read[column] = self._grammar.masked(logits, column)
            return choose(read[column], column).masked_fill(rows.ended, self.discretizer.stop)

        reader.extend(columns, written, speculate=wanted(self.settings.speculate, reader.tokens.device))
        return read


def best_rows(scores: Tensor, count: int) -> Tensor:
    """Rows (B, count) of every context's best scores (B, K), best first."""
    return scores.topk(count, dim=1).indices


class BeamDecoder(Decoder):
    """Plans with the engine."""

    def __init__(
        self,
        model: SequenceModel,
        discretizer: Discretizer,
        settings: BeamSettings,
        score: Score = PUBLISHED,
    ) -> None:
        self.search = BeamSearch(model, discretizer, settings, score)

    def plan(self, context: Tensor, generator: torch.Generator, goal: Tensor | None = None) -> Plan:
        """Plan from contexts (B, n * D + O) int64."""
        uniforms = torch.rand(self.search.uniforms_shape(len(context)), generator=generator)
        return self.search.plan(context, uniforms.to(context.device), goal)
