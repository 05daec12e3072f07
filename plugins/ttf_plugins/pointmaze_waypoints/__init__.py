"""The data set kind ``pointmaze_waypoints``: collects a PointMaze data set once, and reuses it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from ttf import hookimpl
from ttf.component import Component, DataConfig

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ttf.interfaces.data import DataSource
    from ttf.interfaces.progress import Progress

ttf_api = "1"


class PointMazeWaypointsConfig(DataConfig):
    """Drive a point through a maze along shortest paths, between random starts and goals."""

    kind: Literal["pointmaze_waypoints"] = "pointmaze_waypoints"

    maze: Literal["open", "umaze", "medium", "large", "fourrooms"] = "medium"
    """Which PointMaze to collect in; `fourrooms` is four rooms of 4 by 4 cells, each with a door to both neighbours."""

    steps: Annotated[int, Field(ge=100, le=100_000_000)] = 200_000
    """Environment steps to collect at least; the last episodes are finished."""

    position_gain: Annotated[float, Field(ge=0.1, le=100)] = 4.0
    """Force per distance to the next waypoint."""

    velocity_gain: Annotated[float, Field(ge=0, le=100)] = 1.0
    """Force per velocity, against it."""

    action_noise: Annotated[float, Field(ge=0, le=2)] = 0.4
    """Standard deviation of the Gaussian noise added to every action; the sum is clipped to [-1, 1]."""

    noise_correlation: Annotated[float, Field(ge=0, lt=1)] = 0.0
    """Correlation of the noise of one step with the next one's."""

    detours: Annotated[float, Field(ge=0, le=0.9)] = 0.0
    """Share of the time that is spent on detours: a push in a random direction, from which the way is found anew. More
    of what is done then depends on the goal, and the likeliest action stays the right one."""

    detour_steps: Annotated[int, Field(ge=1, le=1000)] = 24
    """Environment steps of a detour."""

    hindsight: Annotated[int, Field(ge=0, le=100)] = 0
    """Copies of every episode whose goal is a place that the episode came to (hindsight relabelling)."""

    observation_keys: list[Literal["observation", "achieved_goal", "desired_goal"]] = Field(
        default=["observation", "desired_goal"], min_length=1, max_length=3
    )
    """Entries of the observation to concatenate, in order: `observation` is position and velocity."""

    def build(self, *, seed: int, progress: Progress) -> DataSource:
        """Open the data set of this configuration and seed, after collecting it if it is not in the local store."""
        from ttf_plugins.pointmaze_waypoints.pointmaze_waypoints import open_source

        return open_source(self, seed, progress)


@hookimpl
def ttf_components() -> Iterable[type[Component]]:
    """What this plugin provides."""
    return [PointMazeWaypointsConfig]
