"""Beam search written to be obviously right: one row at a time, a full forward for every token."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import torch

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import Tensor

    from ttf.interfaces.discretizer import Discretizer
    from ttf.interfaces.model import SequenceModel
    from ttf.reader import SearchSettings
    from ttf.sampling import Sampling
    from ttf.search import BeamSettings


def cropped(tokens: list[int], limit: int, width: int) -> list[int]:
    """Drop whole transitions from the left until the limit is kept."""
    while len(tokens) > limit:
        tokens = tokens[width:]
    return tokens


def filtered(logits: Tensor, sampling: Sampling) -> list[float]:
    """The published filters (facts page, section 1.6) and a correct top-p, token by token."""
    logits = logits / sampling.temperature
    if sampling.reference_cdf is not None:
        order = logits.softmax(-1).sort().values.tolist()
        total, bound = 0.0, None
        for probability in order:
            total += probability
            if total >= sampling.reference_cdf:
                break
            bound = probability
        removed = [bound is not None and p <= bound for p in logits.softmax(-1).tolist()]
        logits = torch.where(torch.tensor(removed), logits.clamp(max=-1000.0), logits)
    if sampling.top_p is not None:
        probabilities = logits.softmax(-1).tolist()
        kept, mass = [], 0.0
        for j in sorted(range(len(probabilities)), key=lambda j: -probabilities[j]):
            if mass >= sampling.top_p:
                break
            kept.append(j)
            mass += probabilities[j]
        logits = torch.tensor(
            [x if j in kept else -torch.inf for j, x in enumerate(logits.tolist())], dtype=logits.dtype
        )
    if sampling.top_k is not None:
        least = sorted(logits.tolist(), reverse=True)[min(sampling.top_k, len(logits)) - 1]
        logits = torch.tensor([x if x >= least else -torch.inf for x in logits.tolist()], dtype=logits.dtype)
    return [float(p) for p in logits.softmax(-1)]


def first_above(probabilities: list[float], uniform: float) -> int:
    """The first token whose cumulative probability exceeds the number."""
    total = 0.0
    for j, probability in enumerate(probabilities):
        total += probability
        if total > uniform:
            return j
    return max(j for j, probability in enumerate(probabilities) if probability > 0)


def next_logits(
    model: SequenceModel, discretizer: Discretizer, settings: SearchSettings, row: list[int], column: int
) -> Tensor:
    """What the model makes of the end of a row, without the tokens that cannot stand in the column after it."""
    shown = cropped(row, settings.limit, model.layout.width)
    logits: Tensor = model(torch.tensor([shown]))[0, -1].clone()
    if settings.stop == "end":
        for token in range(discretizer.bins):
            if not discretizer.live[column, token]:
                logits[token] = -torch.inf
        if column > 0:
            logits[discretizer.stop] = -torch.inf
    return logits


class Planned(NamedTuple):
    """A transition of a plan."""

    tokens: list[int]
    reward: float
    value: float
    ended: bool


def published_score(plan: list[Planned], discount: float) -> float:
    rewards = sum(discount**t * planned.reward for t, planned in enumerate(plan))
    return rewards + discount ** len(plan) * plan[-1].value


class SlowSearch:
    """Plans for one context; ``score`` is that of a plan so far, for a discount factor."""

    def __init__(
        self,
        model: SequenceModel,
        discretizer: Discretizer,
        settings: BeamSettings,
        score: Callable[[list[Planned], float], float] = published_score,
    ) -> None:
        self.model, self.discretizer, self.settings = model, discretizer, settings
        self.layout, self.score = model.layout, score

    def continued(self, row: list[int], ended: bool, uniforms: list[float]) -> tuple[list[int], float, float]:
        """The row with an action, a reward and a value; the expected reward and value."""
        expected = []
        for column in range(self.layout.observation, self.layout.width):
            logits = next_logits(self.model, self.discretizer, self.settings, row, column)
            if column < self.layout.reward:
                token = first_above(
                    filtered(logits, self.settings.sampling), uniforms[column - self.layout.observation]
                )
            else:
                scaled = logits / self.settings.sampling.temperature
                token = int(scaled.argmax())
                probabilities = scaled.softmax(-1)[: self.discretizer.bins]
                expected.append(0.0 if ended else float(self.discretizer.expectation(probabilities, column)))
            row = [*row, self.discretizer.stop if ended else token]
        return row, expected[0], expected[1]

    def observed(self, row: list[int], ended: bool, uniforms: list[float]) -> tuple[list[int], bool]:
        for column in range(self.layout.observation):
            logits = next_logits(self.model, self.discretizer, self.settings, row, column)
            if self.settings.observing is None:
                token = int(logits.argmax())
            else:
                token = first_above(filtered(logits, self.settings.observing), uniforms[column])
            if column == 0 and self.settings.stop == "end":
                ended = ended or token == self.discretizer.stop
            row = [*row, self.discretizer.stop if ended else token]
        return row, ended

    def plan(self, context: list[int], uniforms: Tensor) -> tuple[list[int], float]:
        """The best plan's tokens and its score, for uniforms (H, A or A + O, W * E)."""
        settings, start = self.settings, len(context) - self.layout.observation
        beams: list[tuple[list[int], list[Planned], bool]] = [(context, [], False)] * settings.beam_width
        for t in range(settings.horizon):
            candidates = []
            for e in range(settings.expand):
                for w, (row, plan, ended) in enumerate(beams):
                    numbers = uniforms[t, : self.layout.action, e * settings.beam_width + w].tolist()
                    longer, reward, value = self.continued(row, ended, numbers)
                    new = [*plan, Planned(longer[start + t * self.layout.width :], reward, value, ended)]
                    candidates.append((self.score(new, settings.discount), longer, new, ended))
            candidates.sort(key=lambda candidate: -candidate[0])
            kept = candidates[: settings.beam_width]
            best = kept[0]
            beams = []
            for w, (_, row, plan, ended) in enumerate(kept):
                if t < settings.horizon - 1:
                    numbers = uniforms[t, self.layout.action :, w].tolist()
                    row, ended = self.observed(row, ended, numbers)  # noqa: PLW2901
                beams.append((row, plan, ended))
        return best[1][start:], best[0]
