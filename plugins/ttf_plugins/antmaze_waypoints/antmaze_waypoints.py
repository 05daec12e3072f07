"""AntMaze data sets that are collected when they are first asked for."""

from __future__ import annotations

import hashlib
import json
from contextlib import ExitStack, closing
from functools import partial
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from ttf.interfaces.data import EnvironmentSpec
from ttf.maze import solve
from ttf.minari_store import MinariSource, exists
from ttf.minari_write import add_once, create
from ttf.observations import ObservationRule
from ttf.recording import BATCH, collect
from ttf.registered import make, registered_arguments
from ttf.spaces import columns, observation_width
from ttf_plugins.antmaze_waypoints.collect import COLUMNS, run
from ttf_plugins.antmaze_waypoints.walker import load_walker
from ttf_plugins.antmaze_waypoints.waypoints import Columns, WaypointPolicy

if TYPE_CHECKING:
    import gymnasium
    from gymnasium import spaces

    from ttf.interfaces.data import DataSource
    from ttf.interfaces.progress import Progress
    from ttf_plugins.antmaze_waypoints import AntMazeWaypointsConfig

#: Part of a data set's id; raised whenever the same configuration gives other data.
_COLLECTOR = 4

_ALGORITHM = "waypoints: shortest path, trained walker, Gaussian action noise"
_DESCRIPTION = "AntMaze episodes from one random place to another, with the rewards of one goal, where they end."

_NAMES = {"umaze": "UMaze", "medium": "Medium", "large": "Large"}

#: Cells of the start and of the goal in evaluation, those of D4RL.
_ENDS = {"umaze": ((3, 1), (1, 1)), "medium": ((1, 1), (6, 6)), "large": ((1, 1), (7, 9))}


def open_source(config: AntMazeWaypointsConfig, seed: int, progress: Progress) -> DataSource:
    """The data set of a configuration and seed, collected if the local store has none.

    Raises:
        DataError: AntMaze is not installed, or the configuration does not fit its observations.
        ResourceError: the local store cannot be written.
    """
    spec = environment_spec(config.maze)
    dims = tuple(config.observation_dims) if config.observation_dims is not None else None
    rule = ObservationRule(tuple(config.observation_keys), dims)
    with closing(make(spec)) as environment:
        observation_width(rule, environment.observation_space)
        at = _columns(rule, environment.observation_space)
        behaviour = _policy(config, at, environment) if at else None
    identifier = dataset_id(config, seed)
    if not exists(identifier):
        _collect(identifier, config, seed, spec, progress)
    return MinariSource(identifier, rule, behaviour, _details(config))


def environment_spec(maze: str) -> EnvironmentSpec:
    """The environment to collect and evaluate in: one start cell, and one goal without noise.

    Raises:
        DataError: AntMaze is not installed.
    """
    identifier = f"AntMaze_{_NAMES[maze]}-v5"
    start, goal = _ENDS[maze]
    maze_map = [list(row) for row in registered_arguments(identifier)["maze_map"]]
    maze_map[start[0]][start[1]] = "r"
    options = {"continuing_task": False, "include_cfrc_ext_in_observation": False}
    return EnvironmentSpec(identifier, {**options, "maze_map": maze_map, "goal_cell": list(goal)})


def dataset_id(config: AntMazeWaypointsConfig, seed: int) -> str:
    """Id that differs whenever anything differs that shapes the data."""
    shaping = config.model_dump(include={"maze", "steps", "action_noise", "patience"})
    shaping |= {"seed": seed, "collector": _COLLECTOR, "mujoco": version("mujoco"), "numpy": version("numpy")}
    digest = hashlib.sha256(json.dumps(shaping, sort_keys=True).encode()).hexdigest()
    return f"ttf/antmaze-{config.maze}/waypoints-{digest[:8]}-v0"


def _collect(
    identifier: str, config: AntMazeWaypointsConfig, seed: int, spec: EnvironmentSpec, progress: Progress
) -> None:
    """Collect the data set into the local store, unless another process does so first."""

    def write() -> None:
        with ExitStack() as stack:
            environments = [stack.enter_context(closing(make(spec))) for _ in range(BATCH)]
            policy = _policy(config, COLUMNS, environments[0])
            with progress.task(f"collecting AntMaze {config.maze}", config.steps, unit="steps") as task:
                episodes = collect(partial(run, environments, policy), steps=config.steps, seed=seed, task=task)
            create(identifier, environments[0], episodes, algorithm=_ALGORITHM, description=_DESCRIPTION)

    add_once(identifier, write, progress)


def _policy(config: AntMazeWaypointsConfig, at: Columns, environment: gymnasium.Env[Any, Any]) -> WaypointPolicy:
    maze: Any = environment.unwrapped
    goal = _ENDS[config.maze][1]
    return WaypointPolicy(solve(maze.maze), load_walker(), goal, config.action_noise, config.patience, at)


def _columns(rule: ObservationRule, space: spaces.Space[Any]) -> Columns | None:
    """Where vectors of this rule hold what the policy needs; None if they do not hold all of it."""
    position = columns(rule, space, "achieved_goal", (0, 1))
    body = columns(rule, space, "observation", range(27))
    return Columns(position, body) if position is not None and body is not None else None


def _details(config: AntMazeWaypointsConfig) -> dict[str, str]:
    return {
        "maze": config.maze,
        "action noise": str(config.action_noise),
        "patience": "unlimited" if config.patience is None else f"{config.patience} steps",
        "collector": str(_COLLECTOR),
        "mujoco": version("mujoco"),
    }
