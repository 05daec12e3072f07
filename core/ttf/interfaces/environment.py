"""Environment: where policies act, many episodes at once."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy as np
    from numpy.typing import NDArray

__all__ = ["Environment", "FloorPlan", "Session", "Transition"]


class Transition(NamedTuple):
    """What a batch of environments returned for a batch of actions."""

    observations: NDArray[np.float32]  # (B, O); of an episode that just ended, its last one
    rewards: NDArray[np.float32]  # (B,)
    terminated: NDArray[np.bool_]  # (B,)
    truncated: NDArray[np.bool_]  # (B,)
    success: NDArray[np.bool_]  # (B,); False where the environment does not say


@dataclass(frozen=True)
class FloorPlan:
    """A world seen from above, for drawing trajectories."""

    walls: list[tuple[float, float]]
    """Centres (x, y) of the wall cells."""

    cell: float
    """Side of a cell, in the units of the observation."""

    position: tuple[int, int]
    """Columns of the observation that hold x and y."""

    goal: tuple[int, int] | None = None
    """Columns of the observation that hold the goal's x and y."""

    fixed_goal: tuple[float, float] | None = None
    """x and y of a goal that is always there."""


class Session(ABC):
    """A batch of environments that run one episode each."""

    @abstractmethod
    def reset(self, seeds: Sequence[int]) -> NDArray[np.float32]:
        """Start an episode per seed; observations (B, O)."""

    @abstractmethod
    def step(self, actions: NDArray[np.float32]) -> Transition:
        """Step the environments that still run with actions (B, A)."""

    @abstractmethod
    def keep(self, rows: NDArray[np.int64]) -> None:
        """Go on with these environments only."""

    @abstractmethod
    def close(self) -> None:
        """Free what the environments hold."""


class Environment(ABC):
    """A kind of environment, described without being run; closed when its sessions are over."""

    id: str
    options: Mapping[str, Any] = {}
    """What it was made with, as plain data; where ids or options differ, studies do not compare what was scored."""

    observation_width: int
    action_low: NDArray[np.float32]  # (A,)
    action_high: NDArray[np.float32]  # (A,)
    step_limit: int | None
    reports_success: bool
    """Whether ``Transition.success`` means anything here."""

    @abstractmethod
    def session(self, batch: int) -> Session:
        """Make ``batch`` environments."""

    @abstractmethod
    def close(self) -> None:
        """Free what outlives the sessions."""

    @abstractmethod
    def floor_plan(self) -> FloorPlan | None:
        """The world from above, if this is a world with a floor."""
