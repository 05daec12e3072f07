"""What training has measured since its last record."""

from __future__ import annotations

import math
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

import torch

from ttf.errors import DivergedError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from torch import Tensor


class Meter:
    """Sums over updates, kept on the device so that no update waits for a number."""

    def __init__(self, device: torch.device) -> None:
        self._loss = self._norm = torch.zeros((), device=device)
        self._updates, self._tokens = 0, 0
        self._started = time.perf_counter()
        self._paused: float | None = None

    def add(self, loss: Tensor, norm: Tensor, tokens: int) -> None:
        """Count an update with its loss, the norm of its gradient and the tokens it read."""
        self._loss, self._norm = self._loss + loss, self._norm + norm
        self._updates, self._tokens = self._updates + 1, self._tokens + tokens

    @property
    def seconds(self) -> float:
        """Time since the last record, without pauses and that between an interruption and going on."""
        return (time.perf_counter() if self._paused is None else self._paused) - self._started

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Do not count the time spent within."""
        float(self._norm)  # waits for the device, whose updates are no pause
        self._paused = time.perf_counter()
        try:
            yield
        finally:
            self._started += time.perf_counter() - self._paused
            self._paused = None

    def figures(self) -> dict[str, float]:
        """Means over the updates."""
        return {
            "loss": float(self._loss) / self._updates,
            "gradient_norm": float(self._norm) / self._updates,
            "tokens_per_second": self._tokens / max(self.seconds, 1e-9),
        }

    def sums(self) -> list[float]:
        """For a checkpoint."""
        return [float(self._loss), float(self._norm), self._updates, self._tokens, self.seconds]

    def restore(self, sums: list[float]) -> None:
        """Go on from a checkpoint."""
        loss, norm, updates, tokens, seconds = sums
        self._loss, self._norm = torch.full_like(self._loss, loss), torch.full_like(self._norm, norm)
        self._updates, self._tokens = int(updates), int(tokens)
        self._started = time.perf_counter() - seconds

    def check_finite(self, step: int) -> None:
        """Stop a training that has diverged.

        Raises:
            DivergedError: a loss or a gradient was not finite.
        """
        for name, value in (("loss", float(self._loss)), ("gradient norm", float(self._norm))):
            if not math.isfinite(value):
                what = f"the {name} is {value} within the last {self._updates} updates before step {step}"
                raise diverged(what)


def diverged(what: str) -> DivergedError:
    """The error of a training that has diverged."""
    return DivergedError(f"training diverged: {what}; try a smaller training.learning_rate")
