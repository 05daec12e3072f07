"""The learning rate as a function of the tokens seen (facts page, section 1.4)."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ttf.sections import TrainingConfig

FINAL_SHARE = 0.1
"""Share of the peak rate at the end of the cosine."""

PUBLISHED_DECAY_EPOCHS = 20
"""Warm-ups (of one epoch each) after which the published cosine ends, whatever the number of epochs."""


@dataclass(frozen=True)
class Schedule:
    """Linear warm-up, then a cosine to a tenth of the peak rate."""

    peak: float
    warmup: float
    """Tokens over which the rate grows from 0."""

    final: float
    """Tokens at which the cosine ends."""

    cycle: bool
    """As published: the cosine goes on beyond its end, and the rate is set after the update."""

    def rate(self, tokens: int) -> float:
        """The learning rate once ``tokens`` target tokens have been seen."""
        if tokens < self.warmup:
            return self.peak * tokens / self.warmup
        progress = (tokens - self.warmup) / max(1.0, self.final - self.warmup)
        if not self.cycle:
            progress = min(progress, 1.0)
        return self.peak * max(FINAL_SHARE, 0.5 * (1.0 + math.cos(math.pi * progress)))

    def update_rate(self, before: int, batch: int) -> float:
        """The rate of the update that sees ``batch`` tokens after ``before``; the first published one is the peak."""
        if self.cycle:
            return self.rate(before) if before else self.peak
        return self.rate(before + batch)


def make_schedule(config: TrainingConfig, windows: int, block: int) -> Schedule:
    """The schedule for a data set of ``windows`` windows of ``block`` tokens."""
    update = min(config.batch_size, windows) * block
    cycle = config.schedule == "reference_cycle"
    epoch = float(windows * block)
    warmup = epoch if cycle else min(epoch, 0.1 * config.steps * update)
    if config.warmup_steps is not None:
        warmup = float(config.warmup_steps * update)
    final = PUBLISHED_DECAY_EPOCHS * warmup if cycle else float(config.steps * update)
    if config.decay_steps is not None:
        final = float(config.decay_steps * update)
    return Schedule(config.learning_rate, warmup, final, cycle)
