"""Likelihood beam search over tokens (Janner et al. 2021, section 3.2), batched over environments.

Every plan is a batch of B contexts times K rows, K at most the beam's width; row k of context b is flat row
``b * K + k``, and rows stand in descending order of likelihood. Nothing is random: of equally likely candidates the
one that continues the better beam goes first, then the one with the lower token.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import torch

from ttf.captured import Captured, Recorder
from ttf.interfaces.decoder import Decoder, Plan
from ttf.reader import Grammar, Reader, SearchSettings, in_turns

if TYPE_CHECKING:
    from torch import Tensor

    from ttf.interfaces.discretizer import Discretizer
    from ttf.interfaces.model import SequenceModel


@dataclass(frozen=True, kw_only=True)
class LikelihoodSettings(SearchSettings):
    """What shapes a likelihood search; the sampling's temperature and filters apply to every token that counts."""

    count_rewards: bool
    """Whether the likelihood of rewards and values counts, as published; else they are written greedily."""


@dataclass
class _Beams:
    """What a search remembers of its rows beside their tokens."""

    likelihood: Tensor  # (B, K) log-probability; -inf where a context has fewer beams than others
    ended: Tensor  # (B * K,) bool: the plan has reached the end of the episode


class LikelihoodSearch:
    """Finds likely continuations of contexts; what follows the end of an episode is certain."""

    def __init__(self, model: SequenceModel, discretizer: Discretizer, settings: LikelihoodSettings) -> None:
        self.model = model
        self.layout = model.layout
        self.settings = settings
        self._grammar = Grammar(discretizer, settings.stop)
        self._stop = discretizer.stop
        after = torch.full((discretizer.vocabulary,), -torch.inf).index_fill(0, torch.tensor(self._stop), 0.0)
        self._after = after.to(discretizer.live.device)  # log-probabilities after the end of an episode
        self._captured = Captured(self._plan, partial(self._plan, static=True), Recorder())
        self._greedy = () if settings.count_rewards else (self.layout.reward, self.layout.value)

    @torch.inference_mode()
    def plan(self, context: Tensor, goal: Tensor | None = None) -> Plan:
        """Plan from contexts (B, n * D + O) int64, perhaps for goals (B, G); a plan's score is its log-probability."""
        tokens = self.settings.beam_width * self.settings.shown(context, self.layout)
        captured = self.settings.cuda_graph and context.is_cuda
        return in_turns(self._captured if captured else self._plan, tokens, context, goal)

    def _plan(self, context: Tensor, goal: Tensor | None, *, static: bool = False) -> Plan:
        """The search itself; a ``static`` one does the same whatever the tensors hold, and never waits for a GPU."""
        contexts, observation = len(context), self.layout.observation
        reader = Reader(self.model, context, self.settings, goal, static=static)
        none = context.new_zeros(contexts)
        beams = _Beams(none.view(contexts, 1).float(), none.bool())
        for column in self.layout.slots(self.settings.horizon * self.layout.width)[observation:]:
            logits = self._grammar.masked(reader.logits(), column)
            if column in self._greedy:
                reader.write(logits.argmax(-1).masked_fill(beams.ended, self._stop))
            else:
                log_probabilities = self.settings.sampling.log_probabilities(logits)
                self._expand(reader, beams, log_probabilities, column, static=static)
        winners = torch.arange(contexts, device=context.device) * beams.likelihood.shape[1]
        tokens = reader.tokens[winners, context.shape[1] - observation :]
        return Plan(tokens.view(contexts, self.settings.horizon, self.layout.width), beams.likelihood[:, 0])

    def _expand(self, reader: Reader, beams: _Beams, log_probabilities: Tensor, column: int, *, static: bool) -> None:
        """Continue the beams with their likeliest tokens, given log-probabilities (B * K, V)."""
        contexts, vocabulary = len(beams.likelihood), log_probabilities.shape[1]
        certain = log_probabilities.where(~beams.ended.unsqueeze(1), self._after)
        candidates = (beams.likelihood.view(-1, 1) + certain).view(contexts, -1)  # (B, K * V)
        choose = sorted_out if static else likeliest
        beams.likelihood, best = choose(candidates, self.settings.beam_width)
        parents, tokens = best // vocabulary, (best % vocabulary).flatten()
        same = torch.arange(reader.rows, device=best.device).expand(contexts, -1)
        if static or not torch.equal(parents, same):
            beams.ended = beams.ended[reader.select(parents)]
        beams.ended = self._grammar.ended(beams.ended, tokens, column)
        reader.write(tokens)


def likeliest(candidates: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """The likeliest candidates (B, N) of every context, best first, equal ones in their order.

    Returns:
        Log-probabilities (B, K) and positions (B, K) among the candidates; K is ``count``, or what the context with
        the most possible candidates has, if that is less.
    """
    count = min(count, int(candidates.isfinite().sum(1).max()))
    least = candidates.topk(count, dim=1).values[:, -1:]  # topk itself leaves open which of equal ones it takes
    above, equal = candidates > least, candidates == least
    chosen = above | (equal & (equal.cumsum(1) <= count - above.sum(1, keepdim=True)))
    positions = chosen.nonzero()[:, 1].view(len(candidates), count)
    best, order = candidates.gather(1, positions).sort(dim=1, descending=True, stable=True)
    return best, positions.gather(1, order)


def sorted_out(candidates: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """As ``likeliest``, but K follows from shapes alone: the likeliest are followed by impossible ones, of -inf."""
    ordered, positions = candidates.sort(dim=1, descending=True, stable=True)
    return ordered[:, :count].contiguous(), positions[:, :count]


class LikelihoodDecoder(Decoder):
    """Plans with the engine."""

    def __init__(self, model: SequenceModel, discretizer: Discretizer, settings: LikelihoodSettings) -> None:
        self.search = LikelihoodSearch(model, discretizer, settings)

    def plan(
        self,
        context: Tensor,
        generator: torch.Generator,  # noqa: ARG002  (nothing is random)
        goal: Tensor | None = None,
    ) -> Plan:
        """Plan from contexts (B, n * D + O) int64."""
        return self.search.plan(context, goal)
