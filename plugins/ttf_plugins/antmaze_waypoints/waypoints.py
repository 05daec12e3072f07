"""The policy that makes the data: walks towards one random cell after another along shortest paths."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, final

import numpy as np

from ttf.interfaces.policy import Actor, Policy
from ttf.maze import RADIUS

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ttf.maze import Maze
    from ttf_plugins.antmaze_waypoints.walker import Walker

#: Places to go are spread over a cell as AntMaze spreads its own goals: by this share of its side, either way.
_SPREAD = 0.25


@dataclass(frozen=True)
class Columns:
    """Where an observation vector holds what the policy needs."""

    position: tuple[int, ...]
    """(2,): x and y."""

    body: tuple[int, ...]
    """(27,): the entry `observation` of AntMaze."""


@final
@dataclass(frozen=True)
class WaypointPolicy(Policy):
    """Walks to a random place in a random cell, then to the next, also before it is there. Knows no reward."""

    maze: Maze
    walker: Walker
    goal: tuple[int, int]
    """The cell whose centre is the place to go in it; in other cells that is anywhere near the centre."""

    noise: float
    patience: int | None
    """Steps after which another place is taken, on average."""

    columns: Columns

    def start(self, batch: int, seed: int) -> WaypointActor:
        """An actor with fresh noise and places to go."""
        return WaypointActor(self, batch, np.random.default_rng(seed))


@final
class WaypointActor(Actor):
    """A batch of ants on their way. Actions are in [-1, 1], the bounds of AntMaze."""

    def __init__(self, policy: WaypointPolicy, batch: int, random: np.random.Generator) -> None:
        self._policy = policy
        self._random = random
        self._places = np.full((batch, 2), np.inf)  # nowhere yet

    def act(self, observations: NDArray[np.float32]) -> NDArray[np.float32]:
        """Walk towards the next waypoint; where a place was reached or given up, to the next place."""
        policy = self._policy
        exact = observations.astype(np.float64)
        position, body = exact[:, list(policy.columns.position)], exact[:, list(policy.columns.body)]
        for row in np.flatnonzero(self.arrived(observations) | self._given_up() | np.isinf(self._places[:, 0])):
            self._places[row] = self._place(policy.maze.cells(position[row : row + 1])[0])
        actions = policy.walker.actions(body, policy.maze.waypoints(position, self._places) - position)
        actions += policy.noise * self._random.normal(size=actions.shape)
        return np.clip(actions, -1, 1).astype(np.float32)

    def arrived(self, observations: NDArray[np.float32]) -> NDArray[np.bool_]:
        """Which ants (B,) are where they were to go."""
        position = observations[:, list(self._policy.columns.position)].astype(np.float64)
        there: NDArray[np.bool_] = np.linalg.norm(position - self._places, axis=1) <= RADIUS
        return there

    def observe(self, rewards: NDArray[np.float32]) -> None:
        """Rewards change nothing."""

    def keep(self, rows: NDArray[np.int64]) -> None:
        """Go on with these rows only."""
        self._places = self._places[rows]

    def _given_up(self) -> NDArray[np.bool_]:
        """Which ants (B,) now lose patience."""
        if self._policy.patience is None:
            return np.zeros(len(self._places), dtype=np.bool_)
        lost: NDArray[np.bool_] = self._random.random(len(self._places)) < 1 / self._policy.patience
        return lost

    def _place(self, here: NDArray[np.int64]) -> NDArray[np.float64]:
        """A random place (2,) in another cell."""
        maze = self._policy.maze
        others = maze.free[(maze.free != here).any(axis=1)]
        cell = others[self._random.integers(len(others))]
        side = maze.centres[0, 1, 0] - maze.centres[0, 0, 0]
        spread = self._random.uniform(-_SPREAD, _SPREAD, size=2) * side
        centre: NDArray[np.float64] = maze.centres[*cell]
        return centre if tuple(cell) == self._policy.goal else centre + spread
