"""Make environments by registered id and plain options; nothing else in a data set or a recipe can name one."""

from __future__ import annotations

import contextlib
import importlib
import io
import warnings
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any

import gymnasium

from ttf.errors import DataError, reason
from ttf.fixed_goal import OPTION, FixedGoal
from ttf.interfaces.data import EnvironmentSpec

if TYPE_CHECKING:
    from collections.abc import Mapping
    from collections.abc import Set as AbstractSet

#: Packages that register environments when they are imported.
_PACKAGES = ("gymnasium_robotics",)

#: Arguments of ``gymnasium.make`` that a data set has no say in.
_NOT_OPTIONS = frozenset({"id", "render_mode", "disable_env_checker"})


def registered_ids() -> AbstractSet[str]:
    """Ids of the registered environments, those of gymnasium-robotics included if it is installed."""
    for package in _PACKAGES:
        # Importing gymnasium-robotics prints a line about environments that nobody asked for.
        with contextlib.suppress(ModuleNotFoundError), contextlib.redirect_stderr(io.StringIO()):
            importlib.import_module(package)
    return gymnasium.registry.keys()


def merged(
    identifier: str | None, options: Mapping[str, Any], recorded: EnvironmentSpec | None
) -> EnvironmentSpec | None:
    """The environment that a recipe names, with the data set's options where it is the data set's; None for none."""
    if identifier is None and recorded is None:
        return None
    chosen = identifier or (recorded.id if recorded else "")
    inherited = recorded.options if recorded and recorded.id == chosen else {}
    return EnvironmentSpec(chosen, {**inherited, **options})


def make(spec: EnvironmentSpec) -> gymnasium.Env[Any, Any]:
    """Make a registered environment, without gymnasium's passive checker.

    The option ``goal_cell`` [row, column] is not the environment's own: it fixes the goal of a maze. That there is a
    later version is not said: what was recorded in one version is acted out in that one.

    Raises:
        DataError: the id is not registered, or the environment refuses its options.
    """
    registered_arguments(spec.id)
    options = dict(spec.options)
    goal_cell = options.pop(OPTION, None)
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", r".*The environment \S+ is out of date", DeprecationWarning)
            environment = gymnasium.make(spec.id, disable_env_checker=True, **options)
    except Exception as error:
        message = f"environment {spec.id!r} cannot be made with {dict(spec.options)}: {reason(error)}"
        raise DataError(message) from error
    return environment if goal_cell is None else _with_goal(environment, goal_cell, spec.id)


def _with_goal(environment: gymnasium.Env[Any, Any], goal_cell: Any, identifier: str) -> FixedGoal:  # noqa: ANN401
    try:
        return FixedGoal(environment, goal_cell)
    except ValueError as error:
        environment.close()
        message = f"environment {identifier!r}: {error}"
        raise DataError(message) from None


def registered_arguments(identifier: str) -> Mapping[str, Any]:
    """Arguments that an environment is registered with.

    Raises:
        DataError: the id is not registered.
    """
    if identifier not in registered_ids():
        message = f"environment {identifier!r} is not registered{_hint(identifier)}"
        raise DataError(message)
    return gymnasium.registry[identifier].kwargs


def _hint(identifier: str) -> str:
    close = get_close_matches(identifier, sorted(gymnasium.registry), n=1)
    if close:
        return f"; did you mean {close[0]!r}?"
    return "; is the package that brings it installed? (mazes: the extra 'mujoco')"


def plain_options(identifier: str, recorded: Mapping[str, Any]) -> dict[str, Any]:
    """Those of the options recorded with an environment that ``make`` needs beside its id.

    Left out are options that are not plain data, those that the registered environment has by itself, and
    those that a data set has no say in.
    """
    own = gymnasium.registry.get(identifier) if identifier in registered_ids() else None
    known = {**own.kwargs, "max_episode_steps": own.max_episode_steps} if own else {}
    options = {key: value for key, value in recorded.items() if key not in _NOT_OPTIONS and _is_plain(value)}
    return {key: value for key, value in options.items() if key not in known or known[key] != value}


def _is_plain(value: object) -> bool:
    if isinstance(value, list | tuple):
        return all(_is_plain(part) for part in value)
    return isinstance(value, bool | int | float | str) or value is None
