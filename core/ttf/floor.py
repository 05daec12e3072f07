"""World: a floor plan, and the part of it that shows all walls and trajectories."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ttf.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from ttf.interfaces.environment import FloorPlan
    from ttf.trajectories import Array, Trajectory


@dataclass(frozen=True)
class World:
    """The floor plan, and the part of it that is drawn."""

    floor: FloorPlan
    low: tuple[float, float]
    high: tuple[float, float]

    @property
    def aspect(self) -> float:
        """Height by width."""
        return (self.high[1] - self.low[1]) / (self.high[0] - self.low[0])

    @property
    def walls(self) -> list[NDArray[np.float64]]:
        """Corners (4, 2) of the wall cells."""
        half = self.floor.cell / 2
        corners = np.array([(-half, -half), (half, -half), (half, half), (-half, half)])
        return [np.asarray(centre) + corners for centre in self.floor.walls]

    def positions(self, rows: Array) -> Array:
        """Positions (T, 2) of observations (T, O)."""
        return rows[:, list(self.floor.position)]

    def goal(self, item: Trajectory) -> Array | None:
        """The goal (2,) of an episode, where it is known."""
        if self.floor.goal is not None:
            return item.observations[0, list(self.floor.goal)]
        return None if self.floor.fixed_goal is None else np.array(self.floor.fixed_goal)


def world(floor: FloorPlan, trajectories: Sequence[Trajectory]) -> World:
    """The floor plan with limits that show all walls and trajectories.

    Raises:
        DataError: the floor plan names a column that the observations do not have.
    """
    columns = (*floor.position, *(floor.goal or ()))
    for item in trajectories:
        width = item.observations.shape[1]
        if not all(0 <= column < width for column in columns):
            message = f"floor_plan.json: columns {columns} of the observation; expected columns below {width}"
            raise DataError(message)
    cells = np.asarray(floor.walls, dtype=np.float64).reshape(-1, 2)
    corners = [cells - floor.cell / 2, cells + floor.cell / 2]
    paths = [item.observations[:, list(floor.position)] for item in trajectories]
    points = np.concatenate([*corners, *paths])
    low, high = points.min(axis=0), points.max(axis=0)
    return World(floor, (low[0], low[1]), (high[0], high[1]))
