"""Setting: whether there is an environment to evaluate in, and whether it is that of the data."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

import numpy as np

from ttf.data_check.report import Finding
from ttf.data_check.subject import Setting
from ttf.errors import DataError, RecipeError
from ttf.prepare import make_environment
from ttf.registered import make
from ttf.spaces import action_width, observation_width

if TYPE_CHECKING:
    from gymnasium import spaces

    from ttf.interfaces.data import DataSource, EnvironmentSpec
    from ttf.prepare import Data
    from ttf.recipe import Recipe

_ADVICE = (
    "set environment.id in the recipe to that of a registered environment, with environment.options as it needs them"
)


def setting_of(recipe: Recipe, data: Data) -> tuple[Setting | None, list[Finding]]:
    """The recipe's environment, or the one that the data names, and what is wrong with it."""
    if recipe.environment is not None:
        return _of_recipe(recipe, data)
    spec = data.source.environment
    if spec is None:
        what = "the data set names no environment: a model can be trained and asked for plans, but not be evaluated"
        return None, [Finding("environment", "note", what, data.source.provenance.id, _ADVICE)]
    try:
        return _of_data(spec, data.source, data), []
    except DataError as error:
        return None, [Finding("environment", "warning", str(error), data.source.provenance.id, _ADVICE)]


def _of_recipe(recipe: Recipe, data: Data) -> tuple[Setting | None, list[Finding]]:
    try:
        environment = make_environment(recipe, data)
    except (DataError, RecipeError) as error:
        return None, [Finding("environment", "error", str(error), "environment of the recipe", _ADVICE)]
    assert environment is not None  # noqa: S101  (the recipe has one)
    setting = Setting(environment.id, environment.action_low, environment.action_high, environment.step_limit)
    environment.close()
    return setting, []


def _of_data(spec: EnvironmentSpec, source: DataSource, data: Data) -> Setting:
    """The environment that the data set names.

    Raises:
        DataError: it cannot be made, or does not fit the data.
    """
    environment = make(spec)
    try:
        for what, found, expected in (
            ("observations", observation_width(source.rule, environment.observation_space), data.whole.observation),
            ("actions", action_width(environment.action_space), data.whole.action),
        ):
            if found != expected:
                message = f"{what} of environment {spec.id!r} have {found} dimensions, those of the data {expected}"
                raise DataError(message)
        actions = cast("spaces.Box", environment.action_space)
        limit = environment.spec.max_episode_steps if environment.spec else None
        return Setting(spec.id, actions.low.astype(np.float32), actions.high.astype(np.float32), limit)
    finally:
        environment.close()
