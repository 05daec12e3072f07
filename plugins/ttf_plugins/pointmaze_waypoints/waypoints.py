"""The waypoint policy: shortest paths over the cells of a maze, followed by a PD controller with noise."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, final

import numpy as np

from ttf.interfaces.policy import Actor, Policy

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

#: The value of a wall in a maze's map.
_WALL = 1


@dataclass(frozen=True)
class Maze:
    """The waypoint to head for from any cell towards any other."""

    centres: NDArray[np.float64]
    """(rows, columns, 2): centres x, y of the cells."""

    following: NDArray[np.int64]
    """(rows, columns, rows, columns, 2): the cell after a cell on the way to a goal cell."""

    def cells(self, xy: NDArray[np.float64]) -> NDArray[np.int64]:
        """Row and column (B, 2) of positions (B, 2)."""
        origin, side = self.centres[0, 0], self.centres[0, 1, 0] - self.centres[0, 0, 0]
        steps = np.rint((xy - origin) / (side, -side)).astype(np.int64)[:, ::-1]  # y falls with the row
        cells: NDArray[np.int64] = np.clip(steps, 0, np.array(self.centres.shape[:2]) - 1)
        return cells

    def waypoints(self, xy: NDArray[np.float64], goals: NDArray[np.float64]) -> NDArray[np.float64]:
        """Points (B, 2) to head for: the next cell's centre, or the goal where it is in this cell or the next."""
        here, there = self.cells(xy), self.cells(goals)
        following = self.following[*here.T, *there.T]
        arrived = (following == there).all(axis=1, keepdims=True)
        return np.where(arrived, goals, self.centres[*following.T])


def solve(maze: Any) -> Maze:  # noqa: ANN401  (gymnasium_robotics is not typed)
    """Find the shortest paths between all cells of a ``gymnasium_robotics`` maze."""
    walls = np.array([[cell == _WALL for cell in row] for row in maze.maze_map])
    rows, columns = walls.shape
    centres = np.array([[maze.cell_rowcol_to_xy((i, j)) for j in range(columns)] for i in range(rows)])
    following = np.broadcast_to(np.indices(walls.shape).transpose(1, 2, 0), (*walls.shape, *walls.shape, 2)).copy()
    for goal in np.argwhere(~walls).tolist():
        for cell, towards in _search(walls, (goal[0], goal[1])):
            following[cell[0], cell[1], goal[0], goal[1]] = towards
    return Maze(centres, following)


def _search(walls: NDArray[np.bool_], goal: tuple[int, int]) -> Iterator[tuple[tuple[int, int], tuple[int, int]]]:
    """Every cell the goal can be reached from, and the next cell on a shortest way, breadth first."""
    queue, seen = deque([goal]), {goal}
    yield goal, goal
    while queue:
        i, j = cell = queue.popleft()
        for neighbour in ((i - 1, j), (i + 1, j), (i, j - 1), (i, j + 1)):
            if neighbour not in seen and not walls[neighbour]:
                seen.add(neighbour)
                queue.append(neighbour)
                yield neighbour, cell


@dataclass(frozen=True)
class Controller:
    """A PD controller with Gaussian noise."""

    position_gain: float
    velocity_gain: float
    noise: float
    correlation: float


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

    def start(self, batch: int, seed: int) -> WaypointActor:
        """An actor with fresh noise."""
        return WaypointActor(self, batch, np.random.default_rng(seed))


@final
class WaypointActor(Actor):
    """A batch of points on their way. Actions are in [-1, 1], the bounds of PointMaze."""

    def __init__(self, policy: WaypointPolicy, batch: int, random: np.random.Generator) -> None:
        self._policy = policy
        self._random = random
        self._noise = random.normal(size=(batch, 2))

    def act(self, observations: NDArray[np.float32]) -> NDArray[np.float32]:
        """Accelerate towards the next waypoint."""
        columns, controller = self._policy.columns, self._policy.controller
        exact = observations.astype(np.float64)
        position, velocity, goal = (exact[:, list(at)] for at in (columns.position, columns.velocity, columns.goal))
        force = controller.position_gain * (self._policy.maze.waypoints(position, goal) - position)
        force += controller.noise * self._noise - controller.velocity_gain * velocity
        self._draw(controller.correlation)
        return np.clip(force, -1, 1).astype(np.float32)

    def _draw(self, correlation: float) -> None:
        """The next noise: standard normal, and correlated with this one."""
        fresh = self._random.normal(size=self._noise.shape)
        self._noise = correlation * self._noise + np.sqrt(1 - correlation**2) * fresh

    def observe(self, rewards: NDArray[np.float32]) -> None:
        """Rewards change nothing."""

    def keep(self, rows: NDArray[np.int64]) -> None:
        """Go on with these rows only."""
        self._noise = self._noise[rows]
