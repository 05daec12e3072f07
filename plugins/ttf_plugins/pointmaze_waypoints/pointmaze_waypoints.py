"""PointMaze data sets that are collected when they are first asked for."""

from __future__ import annotations

import hashlib
import json
from contextlib import ExitStack, closing
from functools import partial
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from ttf.errors import DataError
from ttf.maze import solve
from ttf.minari_store import MinariSource, exists
from ttf.minari_write import add_once, create
from ttf.observations import ObservationRule
from ttf.recording import BATCH, collect
from ttf.registered import make
from ttf.spaces import columns, observation_width
from ttf_plugins.pointmaze_waypoints.collect import run
from ttf_plugins.pointmaze_waypoints.hindsight import HindsightSource
from ttf_plugins.pointmaze_waypoints.mazes import environment_spec
from ttf_plugins.pointmaze_waypoints.waypoints import Columns, Controller, Detours, WaypointPolicy

if TYPE_CHECKING:
    import gymnasium
    from gymnasium import spaces

    from ttf.interfaces.data import DataSource, EnvironmentSpec
    from ttf.interfaces.progress import Progress
    from ttf_plugins.pointmaze_waypoints import PointMazeWaypointsConfig

#: Part of a data set's id; raised whenever the same configuration gives other data.
_COLLECTOR = 1

_ALGORITHM = "waypoints: shortest path, PD controller, Gaussian action noise"
_DESCRIPTION = "PointMaze episodes between random starts and goals, each ending at its goal."

#: Where the policy finds position, velocity and goal while it collects.
_RECORDED = Columns((0, 1), (2, 3), (4, 5))


def open_source(config: PointMazeWaypointsConfig, seed: int, progress: Progress) -> DataSource:
    """The data set of a configuration and seed, collected if the local store has none.

    Raises:
        DataError: PointMaze is not installed, or the configuration does not fit its observations.
        ResourceError: the local store cannot be written.
    """
    spec = environment_spec(config.maze)
    rule = ObservationRule(tuple(config.observation_keys), _dims(config))
    with closing(make(spec)) as environment:
        observation_width(rule, environment.observation_space)
        at = _columns(rule, environment.observation_space)
        behaviour = _policy(config, at, environment) if at else None
    if config.hindsight and at is None:
        message = "data.hindsight needs position, velocity and goal; data.observation_keys leaves some of them out"
        raise DataError(message)
    identifier = dataset_id(config, seed)
    if not exists(identifier):
        _collect(identifier, config, seed, spec, progress)
    recorded = MinariSource(identifier, rule, behaviour)
    return HindsightSource(recorded, at, config.hindsight, seed) if at and config.hindsight else recorded


def dataset_id(config: PointMazeWaypointsConfig, seed: int) -> str:
    """Id that differs whenever anything differs that shapes the data."""
    shaping = config.model_dump(include={"maze", "steps", "position_gain", "velocity_gain"})
    shaping |= config.model_dump(include={"action_noise", "noise_correlation", "detours", "detour_steps"})
    shaping |= {"seed": seed, "collector": _COLLECTOR, "mujoco": version("mujoco"), "numpy": version("numpy")}
    digest = hashlib.sha256(json.dumps(shaping, sort_keys=True).encode()).hexdigest()
    return f"ttf/pointmaze-{config.maze}/waypoints-{digest[:8]}-v0"


def _collect(
    identifier: str, config: PointMazeWaypointsConfig, seed: int, spec: EnvironmentSpec, progress: Progress
) -> None:
    """Collect the data set into the local store, unless another process does so first."""

    def write() -> None:
        with ExitStack() as stack:
            environments = [stack.enter_context(closing(make(spec))) for _ in range(BATCH)]
            policy = _policy(config, _RECORDED, environments[0])
            with progress.task(f"collecting PointMaze {config.maze}", config.steps, unit="steps") as task:
                episodes = collect(partial(run, environments, policy), steps=config.steps, seed=seed, task=task)
            create(identifier, environments[0], episodes, algorithm=_ALGORITHM, description=_DESCRIPTION)

    add_once(identifier, write, progress)


def _policy(config: PointMazeWaypointsConfig, at: Columns, environment: gymnasium.Env[Any, Any]) -> WaypointPolicy:
    controller = Controller(config.position_gain, config.velocity_gain, config.action_noise, config.noise_correlation)
    maze: Any = environment.unwrapped
    return WaypointPolicy(solve(maze.maze), controller, at, Detours(config.detours, config.detour_steps))


def _columns(rule: ObservationRule, space: spaces.Space[Any]) -> Columns | None:
    """Where vectors of this rule hold what the policy needs; None if they do not hold all of it."""
    position = columns(rule, space, "observation", (0, 1)) or columns(rule, space, "achieved_goal", (0, 1))
    velocity = columns(rule, space, "observation", (2, 3))
    goal = columns(rule, space, "desired_goal", (0, 1))
    if position is None or velocity is None or goal is None:
        return None
    return Columns(position, velocity, goal)


def _dims(config: PointMazeWaypointsConfig) -> tuple[int, ...] | None:
    return tuple(config.observation_dims) if config.observation_dims is not None else None
