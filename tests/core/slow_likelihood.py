"""Likelihood beam search written to be obviously right: one row at a time, a full forward for every token."""

from __future__ import annotations

from math import log
from typing import TYPE_CHECKING

from tests.core.slow_tokens import filtered, next_logits

if TYPE_CHECKING:
    from ttf.interfaces.discretizer import Discretizer
    from ttf.interfaces.model import SequenceModel
    from ttf.likelihood import LikelihoodSettings


class SlowLikelihood:
    """Plans for one context."""

    def __init__(self, model: SequenceModel, discretizer: Discretizer, settings: LikelihoodSettings) -> None:
        self.model, self.discretizer, self.settings = model, discretizer, settings
        self.layout = model.layout

    def continuations(self, row: list[int], ended: bool, column: int) -> list[tuple[int, float]]:
        """The tokens that may follow a row, with their log-probabilities."""
        if ended:
            return [(self.discretizer.stop, 0.0)]
        logits = next_logits(self.model, self.discretizer, self.settings, row, column)
        if not self.settings.count_rewards and column >= self.layout.reward:
            return [(int(logits.argmax()), 0.0)]
        return [(token, log(p)) for token, p in enumerate(filtered(logits, self.settings.sampling)) if p > 0]

    def plan(self, context: list[int]) -> tuple[list[int], float]:
        """The best plan's tokens and its log-probability."""
        beams = [(context, 0.0, False)]
        for position in range(self.layout.observation, self.settings.horizon * self.layout.width):
            column = position % self.layout.width
            candidates = []
            for row, total, ended in beams:
                for token, log_probability in self.continuations(row, ended, column):
                    over = self.settings.stop == "end" and column == 0 and token == self.discretizer.stop
                    candidates.append(([*row, token], total + log_probability, ended or over))
            candidates.sort(key=lambda candidate: -candidate[1])
            beams = candidates[: self.settings.beam_width]
        return beams[0][0][len(context) - self.layout.observation :], beams[0][1]
