"""Policy: anything that can act in a batch of environments, the planner and the baselines alike."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["Actor", "Policy"]


class Actor(ABC):
    """A policy in the middle of a batch of episodes that started together."""

    imagined: NDArray[np.float32] | None = None
    """Observations (B, H, O) that the actor expects from now on, where it has just made a plan; NaN after its end."""

    @abstractmethod
    def act(self, observations: NDArray[np.float32]) -> NDArray[np.float32]:
        """Actions (B, A) for observations (B, O)."""

    @abstractmethod
    def observe(self, rewards: NDArray[np.float32]) -> None:
        """Learn the rewards (B,) of the last actions."""

    @abstractmethod
    def keep(self, rows: NDArray[np.int64]) -> None:
        """Go on with these rows only; the others' episodes have ended."""


class Policy(ABC):
    """Starts actors; what happens in their episodes changes no action of actors started later."""

    @abstractmethod
    def start(self, batch: int, seed: int) -> Actor:
        """An actor for ``batch`` episodes, all of whose randomness comes from ``seed``."""
