"""The checker of the environment contract."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING

import numpy as np

from ttf.testing.configuration import check_configuration
from ttf.testing.corridor import CorridorConfig
from ttf.testing.requirement import require
from ttf.testing.untouched import untouched

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from ttf.component import EnvironmentConfig
    from ttf.interfaces.data import DataSource
    from ttf.interfaces.environment import Environment, Session, Transition

SEEDS = (3, 1, 4)

LONGEST = 1000
"""Steps after which an environment's own limit is not waited for."""


def check_environment(config: EnvironmentConfig, source: DataSource | None = None, *, steps: int = 20) -> None:
    """Check everything the contract says of an environment, in episodes with random actions.

    Args:
        config: the component.
        source: the data set that it is built for; without, walks along a corridor, which name no environment.
        steps: of an episode, at most.

    Raises:
        AssertionError: the contract is broken; the message says how.
        DataError: the environment cannot be made.
    """
    check_configuration(config)
    with untouched("building the environment"):
        environment = config.build(source or CorridorConfig().build())
    try:
        _check_description(environment)
        if source is not None:
            _check_fit(environment, source)
        _check_episodes(environment, steps)
        _check_limit(environment)
    finally:
        environment.close()


def _check_description(environment: Environment) -> None:
    """Widths, bounds and the floor plan make sense."""
    width, low, high = environment.observation_width, environment.action_low, environment.action_high
    require(environment.id, "id is empty; name the environment")
    require(width > 0, f"observation_width is {width}; expected 1 or more")
    for name, bound in (("action_low", low), ("action_high", high)):
        found = f"{bound.dtype} {bound.shape}"
        require(bound.dtype == np.float32 and bound.ndim == 1, f"{name} is {found}; expected float32 (A,)")
    require(low.shape == high.shape, f"action_low has shape {low.shape}, action_high {high.shape}; expected equal ones")
    require((low <= high).all(), "action_low is above action_high; swap them")
    _check_saved("options", dict(environment.options))
    plan = environment.floor_plan()
    if plan is not None:
        columns = [*plan.position, *(plan.goal or ())]
        inside = all(0 <= column < width for column in columns)
        require(inside, f"floor_plan names columns {columns} of an observation that has {width}")
        require(plan.cell > 0, f"floor_plan: a cell's side is {plan.cell}; expected more than 0")
        _check_saved("floor_plan", asdict(plan))


def _check_saved(name: str, document: object) -> None:
    try:
        json.dumps(document, allow_nan=False)
    except (TypeError, ValueError) as error:
        message = f"{name} cannot be saved: {error}; give finite Python numbers"
        raise AssertionError(message) from error


def _check_fit(environment: Environment, source: DataSource) -> None:
    """Observations and actions are as wide as those of the data."""
    first = source.episodes()[0]
    for what, found, expected in (
        ("observations", environment.observation_width, first.observations.shape[1]),
        ("actions", len(environment.action_low), first.actions.shape[1]),
    ):
        require(found == expected, f"{what} have {found} dimensions, those of the data {expected}; use source.rule")


def _check_episodes(environment: Environment, steps: int) -> None:
    """Episodes follow from seed and actions alone: again, one by one, in sessions used before and beside others."""
    actions = _actions(environment, steps)
    episodes = _played(environment, SEEDS, actions, others=1)
    again = _played(environment, SEEDS, actions, others=2, disturbed=True)
    _check_same(
        again,
        episodes,
        "equal seeds and actions give other episodes; draw from the seeds that reset is given, and let sessions share "
        "nothing",
    )
    for row, seed in enumerate(SEEDS):
        alone = _played(environment, (seed,), actions[:, row : row + 1], others=1, drop=False)
        _check_same(
            alone,
            episodes[row : row + 1],
            "an episode alone is not the one it is among others; rows must not depend on each other, and keep must "
            "keep the right ones",
        )


def _check_limit(environment: Environment) -> None:
    """No episode is longer than ``step_limit``."""
    limit = environment.step_limit
    require(limit is None or limit > 0, f"step_limit is {limit}; expected 1 or more, or None")
    if limit is None or limit > LONGEST:
        return
    (episode,) = _played(environment, SEEDS[:1], _actions(environment, limit, batch=1), others=1, drop=False)
    ended = len(episode) <= limit or episode[-1][-3:-1].any()
    require(ended, f"an episode goes on after step_limit = {limit} steps; set truncated there")


def _actions(environment: Environment, steps: int, batch: int = len(SEEDS)) -> NDArray[np.float32]:
    """Random actions (steps, B, A) within the bounds, and between -1 and 1 where there are none."""
    low, high = environment.action_low.clip(-1e6), environment.action_high.clip(max=1e6)
    low, high = np.where(np.isneginf(environment.action_low), -1, low), np.where(high >= 1e6, 1, high)
    drawn = np.random.default_rng(0).uniform(low, high, (steps, batch, len(low)))
    return drawn.astype(np.float32)


def _played(
    environment: Environment,
    seeds: Sequence[int],
    actions: NDArray[np.float32],
    *,
    others: int,
    drop: bool = True,
    disturbed: bool = False,
) -> list[list[NDArray[np.float64]]]:
    """What each row's episode was, step by step; in the third step the first row is dropped if it still runs.

    Args:
        environment: which has a session for it.
        seeds: of the rows.
        actions: (steps, B, A).
        others: seed of the global generators.
        drop: whether a row is dropped.
        disturbed: whether another session of the environment begins before every step.
    """
    with untouched("an episode", seed=others):
        session, beside = environment.session(len(seeds)), environment.session(1) if disturbed else None
        try:
            seen = session.reset(list(seeds))
            _check_array("reset returned observations", seen, (len(seeds), environment.observation_width))
            copy, rows = seen.copy(), np.arange(len(seeds))
            episodes = [[row.astype(np.float64)] for row in seen]
            for step, chosen in enumerate(actions):
                if beside is not None:
                    beside.reset([100 + step])
                ended = _stepped(environment, session, chosen[rows], [episodes[row] for row in rows])
                if drop and step == 2 and len(rows) > 1:
                    ended[0] = True
                going = np.flatnonzero(~ended)
                if len(going) < len(rows):
                    session.keep(going)
                    rows = rows[going]
                if not len(rows):
                    break
        finally:
            session.close()
            if beside is not None:
                beside.close()
    require(np.array_equal(seen, copy), "a step changed observations returned before; return new arrays")
    return episodes


def _stepped(
    environment: Environment, session: Session, actions: NDArray[np.float32], episodes: list[list[NDArray[np.float64]]]
) -> NDArray[np.bool_]:
    """Step, check what came of it and add it to the episodes; which of them have ended."""
    given = actions.copy()
    result = session.step(given)
    require(np.array_equal(given, actions), "step changed the actions; copy what you modify")
    _check_transition(environment, result, len(actions))
    flags = np.stack([result.terminated, result.truncated, result.success], axis=1)
    for row, episode in enumerate(episodes):
        episode.append(np.concatenate([result.observations[row], result.rewards[row : row + 1], flags[row]]))
    return result.terminated | result.truncated


def _check_transition(environment: Environment, result: Transition, batch: int) -> None:
    """Shapes, types, finite numbers, and success only where it is reported."""
    _check_array("step returned observations", result.observations, (batch, environment.observation_width))
    _check_array("step returned rewards", result.rewards, (batch,))
    for name in ("terminated", "truncated", "success"):
        flags = getattr(result, name)
        found = f"{flags.dtype} {flags.shape}"
        right = flags.dtype == np.bool_ and flags.shape == (batch,)
        require(right, f"step returned {name} {found}; expected bool {(batch,)}")
    told = environment.reports_success or not result.success.any()
    require(told, "success is true, but reports_success is False; set it to True")


def _check_array(what: str, values: NDArray[np.float32], shape: tuple[int, ...]) -> None:
    right = values.dtype == np.float32 and values.shape == shape
    require(right, f"{what} {values.dtype} {values.shape}; expected float32 {shape}")
    require(np.isfinite(values).all(), f"{what} that are not finite")


def _check_same(
    found: list[list[NDArray[np.float64]]], expected: list[list[NDArray[np.float64]]], message: str
) -> None:
    """Episodes are equal as far as both go; one of the two may have been dropped."""
    for one, other in zip(found, expected, strict=True):
        for step, (here, there) in enumerate(zip(one, other, strict=False)):
            require(np.allclose(here, there, rtol=1e-5, atol=1e-6), f"step {step}: {message}")
