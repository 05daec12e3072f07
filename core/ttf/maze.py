"""Shortest paths over the cells of a maze of gymnasium-robotics."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

#: The value of a wall in a maze's map.
WALL = 1

#: Distance at which the environments say that a goal is reached.
RADIUS = 0.45


@dataclass(frozen=True)
class Maze:
    """The waypoint to head for from any cell towards any other."""

    centres: NDArray[np.float64]
    """(rows, columns, 2): centres x, y of the cells."""

    following: NDArray[np.int64]
    """(rows, columns, rows, columns, 2): the cell after a cell on the way to a goal cell."""

    free: NDArray[np.int64]
    """(F, 2): row and column of the cells that are no walls."""

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
    walls = np.array([[cell == WALL for cell in row] for row in maze.maze_map])
    rows, columns = walls.shape
    centres = np.array([[maze.cell_rowcol_to_xy((i, j)) for j in range(columns)] for i in range(rows)])
    following = np.broadcast_to(np.indices(walls.shape).transpose(1, 2, 0), (*walls.shape, *walls.shape, 2)).copy()
    free = np.argwhere(~walls)
    for goal in free.tolist():
        for cell, towards in _search(walls, (goal[0], goal[1])):
            following[cell[0], cell[1], goal[0], goal[1]] = towards
    return Maze(centres, following, free)


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
