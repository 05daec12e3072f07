"""The data set kind ``antmaze_waypoints``: collects an AntMaze data set once, and reuses it."""

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


class AntMazeWaypointsConfig(DataConfig):
    """Walk an ant through a maze between random cells, with the rewards of one goal that it is not told."""

    kind: Literal["antmaze_waypoints"] = "antmaze_waypoints"

    maze: Literal["umaze", "medium", "large"] = "umaze"
    """Which AntMaze to collect in; each has one goal, the same in all episodes and in evaluation."""

    steps: Annotated[int, Field(ge=100, le=100_000_000)] = 120_000
    """Environment steps to collect at least; the last episodes are finished."""

    action_noise: Annotated[float, Field(ge=0, le=2)] = 0.2
    """Standard deviation of the Gaussian noise added to every action; the sum is clipped to [-1, 1]."""

    patience: Annotated[int, Field(ge=1)] | None = None
    """Steps, on average, after which an ant gives up the place it is heading for and takes another, at random times;
    null for never. Ants that turn everywhere get nowhere fast: with 50, models and critics were worse."""

    observation_keys: list[Literal["observation", "achieved_goal", "desired_goal"]] = Field(
        default=["achieved_goal", "observation"], min_length=1, max_length=3
    )
    """Entries of the observation to concatenate, in order: `achieved_goal` is the position, `observation` the ant's
    other 27 dimensions; Minari's D4RL/antmaze data sets have them too."""

    def build(self, *, seed: int, progress: Progress) -> DataSource:
        """Open the data set of this configuration and seed, after collecting it if it is not in the local store."""
        from ttf_plugins.antmaze_waypoints.antmaze_waypoints import open_source

        return open_source(self, seed, progress)


@hookimpl
def ttf_components() -> Iterable[type[Component]]:
    """What this plugin provides."""
    return [AntMazeWaypointsConfig]
