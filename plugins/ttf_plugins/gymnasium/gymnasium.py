"""Registered Gymnasium environments, made to fit a data set."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast, final

import numpy as np

from ttf.errors import DataError, reason
from ttf.interfaces.environment import Environment, FloorPlan
from ttf.registered import make, merged
from ttf.spaces import action_width, observation_width
from ttf_plugins.gymnasium.floor import floor_plan
from ttf_plugins.gymnasium.session import GymnasiumSession

if TYPE_CHECKING:
    import gymnasium
    from gymnasium import spaces

    from ttf.interfaces.data import DataSource, EnvironmentSpec
    from ttf.observations import ObservationRule
    from ttf_plugins.gymnasium import GymnasiumConfig


def make_environment(config: GymnasiumConfig, source: DataSource) -> GymnasiumEnvironment:
    """The environment a recipe asks for.

    Raises:
        DataError: there is none, it cannot be made or run, or its observations or actions are no vectors.
    """
    return GymnasiumEnvironment(_spec(config, source), source.rule)


def _spec(config: GymnasiumConfig, source: DataSource) -> EnvironmentSpec:
    """Which environment: the recipe's, with the data set's options where it is the data set's."""
    spec = merged(config.id, config.options, source.environment)
    if spec is None:
        message = f"data set {source.provenance.id!r} names no environment; set environment.id in the recipe"
        raise DataError(message)
    return spec


@final
class GymnasiumEnvironment(Environment):
    """A registered environment; makes one to look at, and lends the ones of closed sessions again."""

    def __init__(self, spec: EnvironmentSpec, rule: ObservationRule) -> None:
        self._spec = spec
        self._rule = rule
        first = make(spec)
        self._idle = [first]
        self.id, self.options = spec.id, spec.options
        try:
            self.observation_width = observation_width(rule, first.observation_space)
            action_width(first.action_space)
        except DataError as error:
            message = f"environment {spec.id!r}: {error}"
            raise DataError(message) from None
        actions = cast("spaces.Box", first.action_space)
        self.action_low = actions.low.astype(np.float32)
        self.action_high = actions.high.astype(np.float32)
        self.step_limit = first.spec.max_episode_steps if first.spec else None
        observation, self.reports_success = _tried(first, spec)
        self._floor = floor_plan(first, rule, observation)

    def session(self, batch: int) -> GymnasiumSession:
        """Take ``batch`` environments, idle ones first."""
        while len(self._idle) < batch:
            self._idle.append(make(self._spec))
        taken, self._idle = self._idle[:batch], self._idle[batch:]
        return GymnasiumSession(taken, self._rule, self._idle)

    def close(self) -> None:
        """Close the environments that were made."""
        while self._idle:
            self._idle.pop().close()

    def floor_plan(self) -> FloorPlan | None:
        """The walls of a maze of gymnasium-robotics; None for other environments."""
        return self._floor


def _tried(environment: gymnasium.Env[Any, Any], spec: EnvironmentSpec) -> tuple[Any, bool]:
    """A first observation, and whether the environment reports success; made in one step of an episode.

    Raises:
        DataError: the environment fails, as one does that needs a display.
    """
    try:
        observation, info = environment.reset(seed=0)
        environment.action_space.seed(0)
        return observation, "success" in info or "success" in environment.step(environment.action_space.sample())[4]
    except Exception as error:
        message = f"environment {spec.id!r} cannot be run with {dict(spec.options)}: {reason(error)}"
        raise DataError(message) from error
