"""The waypoint policy: shortest paths over the cells of a maze, followed by a PD controller with noise."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, final

import numpy as np

from ttf.interfaces.policy import Actor, Policy

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ttf.maze import Maze


@dataclass(frozen=True)
class Controller:
    """A PD controller with Gaussian noise."""

    position_gain: float
    velocity_gain: float
    noise: float
    correlation: float


@dataclass(frozen=True)
class Detours:
    """Pushes in random directions, of the strength of a full action."""

    share: float
    """Of the time."""

    steps: int
    """That a push lasts."""

    @property
    def chance(self) -> float:
        """That a push begins in a step without one."""
        return self.share / (self.share + (1 - self.share) * self.steps)


@dataclass(frozen=True)
class Columns:
    """Where an observation vector holds what the policy needs, each (x, y)."""

    position: tuple[int, ...]
    velocity: tuple[int, ...]
    goal: tuple[int, ...]


@final
@dataclass(frozen=True)
class WaypointPolicy(Policy):
    """Drives to the goal along a shortest path; acts from the observation alone, but for its noise."""

    maze: Maze
    controller: Controller
    columns: Columns
    detours: Detours

    def start(self, batch: int, seed: int) -> WaypointActor:
        """An actor with fresh noise."""
        return WaypointActor(self, batch, seed)


@final
class WaypointActor(Actor):
    """A batch of points on their way. Actions are in [-1, 1], the bounds of PointMaze."""

    def __init__(self, policy: WaypointPolicy, batch: int, seed: int) -> None:
        self._policy = policy
        self._random = np.random.default_rng(seed)
        self._noise = self._random.normal(size=(batch, 2))
        self._pushes = np.random.default_rng([seed, 1])
        self._push = np.zeros((batch, 2))
        self._left = np.zeros(batch, dtype=np.int64)  # steps of the present push

    def act(self, observations: NDArray[np.float32]) -> NDArray[np.float32]:
        """Accelerate towards the next waypoint."""
        columns, controller = self._policy.columns, self._policy.controller
        exact = observations.astype(np.float64)
        position, velocity, goal = (exact[:, list(at)] for at in (columns.position, columns.velocity, columns.goal))
        force = controller.position_gain * (self._policy.maze.waypoints(position, goal) - position)
        force -= controller.velocity_gain * velocity
        self._detour()
        force = np.where(self._left[:, None] > 0, self._push, force) + controller.noise * self._noise
        self._draw(controller.correlation)
        return np.clip(force, -1, 1).astype(np.float32)

    def _detour(self) -> None:
        """Let pushes end, and begin."""
        detours = self._policy.detours
        self._left = np.maximum(self._left - 1, 0)
        chances, angles = self._pushes.random((2, len(self._left)))
        begins = (self._left == 0) & (chances < detours.chance)
        directions = np.stack([np.cos(2 * np.pi * angles), np.sin(2 * np.pi * angles)], axis=1)
        self._push = np.where(begins[:, None], directions, self._push)
        self._left = np.where(begins, detours.steps, self._left)

    def _draw(self, correlation: float) -> None:
        """The next noise: standard normal, and correlated with this one."""
        fresh = self._random.normal(size=self._noise.shape)
        self._noise = correlation * self._noise + np.sqrt(1 - correlation**2) * fresh

    def observe(self, rewards: NDArray[np.float32]) -> None:
        """Rewards change nothing."""

    def keep(self, rows: NDArray[np.int64]) -> None:
        """Go on with these rows only."""
        self._noise, self._push, self._left = self._noise[rows], self._push[rows], self._left[rows]
