"""The floor plan of gymnasium-robotics mazes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import numpy as np

from ttf.fixed_goal import FixedGoal
from ttf.interfaces.environment import FloorPlan
from ttf.maze import WALL
from ttf.spaces import columns

if TYPE_CHECKING:
    import gymnasium

    from ttf.observations import ObservationRule


def floor_plan(
    environment: gymnasium.Env[Any, Any],
    rule: ObservationRule,
    observation: Any,  # noqa: ANN401  (what the environment returns)
) -> FloorPlan | None:
    """Walls, and where an observation vector holds the position; None if this is no maze or it holds none."""
    maze = getattr(environment.unwrapped, "maze", None)
    position = _position(environment, rule, observation) if maze is not None else None
    if maze is None or position is None:
        return None
    cells = [(i, j) for i, row in enumerate(maze.maze_map) for j, cell in enumerate(row) if cell == WALL]
    walls = [(float(x), float(y)) for x, y in (maze.cell_rowcol_to_xy(cell) for cell in cells)]
    goal = columns(rule, environment.observation_space, "desired_goal", (0, 1))
    side, goal_columns = float(maze.maze_size_scaling), cast("tuple[int, int] | None", goal)
    fixed = (float(environment.goal[0]), float(environment.goal[1])) if isinstance(environment, FixedGoal) else None
    return FloorPlan(walls, side, position, goal_columns, fixed)


def _position(
    environment: gymnasium.Env[Any, Any],
    rule: ObservationRule,
    observation: Any,  # noqa: ANN401  (what the environment returns)
) -> tuple[int, int] | None:
    """Columns of x and y: the achieved goal, or an entry that starts with it."""
    if not isinstance(observation, dict) or "achieved_goal" not in observation:
        return None
    for entry in ("achieved_goal", "observation"):
        found = columns(rule, environment.observation_space, entry, (0, 1))
        if found is not None and np.array_equal(observation[entry][:2], observation["achieved_goal"][:2]):
            return cast("tuple[int, int]", found)
    return None
