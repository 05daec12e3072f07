"""FixedGoal: a maze of gymnasium-robotics whose goal is the centre of one cell, always."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import gymnasium
import numpy as np
from gymnasium.utils import RecordConstructorArgs

from ttf.maze import RADIUS, WALL

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

#: The option of an environment that asks for a fixed goal: row and column of its cell.
OPTION = "goal_cell"


class FixedGoal(gymnasium.Wrapper[Any, Any, Any, Any], RecordConstructorArgs):
    """Takes the noise off the goal, which the environments of gymnasium-robotics move about within its cell.

    A policy that is not told the goal can then learn where it is. Starts stay as noisy as they are. What records
    such an environment's constructor, as Minari does, records this with it.

    Raises:
        ValueError: the environment is no maze, or the cell is outside it, in a wall, or the only start.
    """

    def __init__(self, env: gymnasium.Env[Any, Any], goal_cell: Sequence[int]) -> None:
        RecordConstructorArgs.__init__(self, goal_cell=goal_cell)
        super().__init__(env)
        maze: Any = env.unwrapped
        self._maze = maze
        self._cell = _checked(getattr(maze, "maze", None), goal_cell)
        self.goal: NDArray[np.float64] = maze.maze.cell_rowcol_to_xy(self._cell)  # (2,)

    def reset(self, *, seed: int | None = None, options: Mapping[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        """Start an episode; ``options`` may name the ``reset_cell``."""
        observation, info = self.env.reset(seed=seed, options={**(options or {}), OPTION: self._cell})
        self._maze.goal = self.goal.copy()
        self._maze.update_target_site_pos()
        observation = {**observation, "desired_goal": self.goal.copy()}
        reached = bool(np.linalg.norm(observation["achieved_goal"] - self.goal) <= RADIUS)
        return observation, {**info, "success": reached}


def _checked(maze: Any, cell: Any) -> tuple[int, int]:  # noqa: ANN401  (what an option holds)
    if maze is None:
        message = f"{OPTION} is an option of mazes"
        raise ValueError(message)
    if not isinstance(cell, list | tuple) or [type(part) for part in cell] != [int, int]:
        message = f"{OPTION} must be a row and a column, found {cell!r}"
        raise ValueError(message)
    row, column = cell
    if not (0 <= row < maze.map_length and 0 <= column < maze.map_width):
        message = f"{OPTION} {[row, column]} is outside the maze of {maze.map_length} rows and {maze.map_width} columns"
        raise ValueError(message)
    if maze.maze_map[row][column] == WALL:
        message = f"{OPTION} {[row, column]} is in a wall; a free cell nearby is {_nearest(maze.maze_map, row, column)}"
        raise ValueError(message)
    if all(np.array_equal(start, maze.cell_rowcol_to_xy((row, column))) for start in maze.unique_reset_locations):
        message = f"{OPTION} {[row, column]} is the only cell to start in"
        raise ValueError(message)
    return row, column


def _nearest(maze_map: Sequence[Sequence[Any]], row: int, column: int) -> list[int]:
    free = [[i, j] for i, cells in enumerate(maze_map) for j, cell in enumerate(cells) if cell != WALL]
    return min(free, key=lambda cell: abs(cell[0] - row) + abs(cell[1] - column))
