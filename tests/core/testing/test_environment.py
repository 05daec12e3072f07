"""The checker of environments finds broken ones."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from tests.core.testing.broken import MEDDLING, complaint, every_meddling, meddling_in, replacing, spoiled

from ttf.testing import check_environment
from ttf.testing.corridor import Corridor, CorridorConfig, CorridorEnvironment, CorridorEnvironmentConfig

if TYPE_CHECKING:
    from collections.abc import Callable

    from ttf.interfaces.environment import Transition

CONFIG = CorridorEnvironmentConfig()


def sessions(spoil: Callable[[Any], object]) -> CorridorEnvironmentConfig:
    """An environment whose every session is spoiled."""

    def session(make: Callable[[int], Corridor], batch: int) -> Corridor:
        made = make(batch)
        spoil(made)
        return made

    return spoiled(CONFIG, replacing("session", session))


def steps(change: Callable[[Transition], dict[str, Any]]) -> CorridorEnvironmentConfig:
    """An environment whose transitions have some fields changed."""

    def step(method: Callable[[Any], Transition], actions: Any) -> Transition:  # noqa: ANN401  (an array)
        result = method(actions)
        return result._replace(**change(result))

    return sessions(replacing("step", step))


def described(**changes: Any) -> CorridorEnvironmentConfig:  # noqa: ANN401  (attributes of an environment)
    def spoil(environment: CorridorEnvironment) -> None:
        vars(environment).update(changes)

    return spoiled(CONFIG, spoil)


def plan_with(**changes: Any) -> CorridorEnvironmentConfig:  # noqa: ANN401  (fields of a floor plan)
    return spoiled(CONFIG, replacing("floor_plan", lambda method: replace(method(), **changes)))


def test_a_correct_environment_passes() -> None:
    check_environment(CONFIG)
    check_environment(CorridorEnvironmentConfig(limit=None), CorridorConfig(episodes=4).build(), steps=40)


CHECKED: list[CorridorEnvironment] = []


def test_the_environment_is_closed_after_its_sessions_even_if_it_is_broken() -> None:
    complaint(
        lambda: check_environment(spoiled(steps(lambda result: {"rewards": np.nan * result.rewards}), CHECKED.append))
    )
    check_environment(spoiled(CONFIG, CHECKED.append))
    assert [made.closed for made in CHECKED] == [1, 1]


def unseeded(session: Corridor) -> None:
    """Starts differ from time to time."""
    starts = iter(np.random.default_rng(COUNTS.pop()).normal(size=100))
    replacing("reset", lambda method, seeds: method(seeds) + np.float32(next(starts)))(session)


COUNTS = list(range(1000))

SHIFTS: list[np.float32] = []


def sharing(session: Corridor) -> None:
    """Rewards depend on what any session was reset with last."""

    def reset(method: Callable[[Any], Any], seeds: Any) -> Any:  # noqa: ANN401  (arrays)
        SHIFTS.append(np.float32(seeds[0]))
        return method(seeds)

    def step(method: Callable[[Any], Transition], actions: Any) -> Transition:  # noqa: ANN401
        result = method(actions)
        return result._replace(rewards=result.rewards + SHIFTS[-1])

    replacing("reset", reset)(session)
    replacing("step", step)(session)


def entangled(session: Corridor) -> None:
    """A row sees what the others see."""
    replacing("step", lambda method, actions: _moved(method(actions)))(session)


def _moved(result: Transition) -> Transition:
    return result._replace(observations=result.observations + result.observations.mean())


def misplaced(session: Corridor) -> None:
    """Goes on with the first environments, whichever are asked for."""
    replacing("keep", lambda method, rows: method(np.arange(len(rows))))(session)


def reusing(session: Corridor) -> None:
    """Observations are always the same array."""
    buffer = np.zeros((3, 2), np.float32)

    def reset(method: Callable[[Any], Any], seeds: Any) -> Any:  # noqa: ANN401  (arrays)
        buffer[: len(seeds)] = method(seeds)
        return buffer[: len(seeds)]

    def step(method: Callable[[Any], Transition], actions: Any) -> Transition:  # noqa: ANN401
        result = method(actions)
        buffer[: len(actions)] = result.observations
        return result

    replacing("reset", reset)(session)
    replacing("step", step)(session)


def greedy(session: Corridor) -> None:
    """Clips the caller's own actions."""
    replacing("step", lambda method, actions: method(np.multiply(actions, 0.5, out=actions)))(session)


@pytest.mark.parametrize(
    ("config", "message"),
    [
        (described(id=""), "id is empty; name the environment"),
        (described(observation_width=3), "reset returned observations float32 (3, 2); expected float32 (3, 3)"),
        (described(observation_width=0), "observation_width is 0; expected 1 or more"),
        (described(action_low=np.array([-1.0])), "action_low is float64 (1,); expected float32 (A,)"),
        (described(action_high=np.ones(2, np.float32)), "action_low has shape (1,), action_high (2,); expected equal"),
        (described(action_low=np.array([2], np.float32)), "action_low is above action_high; swap them"),
        (described(reports_success=False), "success is true, but reports_success is False; set it to True"),
        (
            steps(lambda result: dict.fromkeys(("terminated", "truncated"), result.terminated & False)),
            "an episode goes on after step_limit = 12 steps; set truncated there",
        ),
        (described(step_limit=0), "step_limit is 0; expected 1 or more, or None"),
        (plan_with(position=(0, 2)), "floor_plan names columns [0, 2] of an observation that has 2"),
        (plan_with(cell=0.0), "floor_plan: a cell's side is 0.0; expected more than 0"),
        (plan_with(walls=[(np.float32(0), 1.0)]), "floor_plan cannot be saved: Object of type float32 is not JSON"),
        (described(options={"limit": np.float32(1)}), "options cannot be saved: Object of type float32 is not JSON"),
        (sessions(unseeded), "step 0: equal seeds and actions give other episodes; draw from the seeds that reset"),
        (sessions(entangled), "step 1: an episode alone is not the one it is among others; rows must not depend"),
        (sessions(misplaced), "step 4: an episode alone is not the one it is among others; rows must not depend"),
        (sessions(reusing), "a step changed observations returned before; return new arrays"),
        (sessions(greedy), "step changed the actions; copy what you modify"),
        (
            sessions(sharing),
            "step 1: equal seeds and actions give other episodes; draw from the seeds that reset is given, and let",
        ),
        (
            steps(lambda result: {"observations": result.observations.astype(np.float64)}),
            "step returned observations float64 (3, 2); expected float32 (3, 2)",
        ),
        (steps(lambda result: {"rewards": result.rewards * np.nan}), "step returned rewards that are not finite"),
        (steps(lambda result: {"rewards": result.rewards[:, None]}), "step returned rewards float32 (3, 1); expected"),
        (
            steps(lambda result: {"terminated": result.terminated.astype(np.int64)}),
            "step returned terminated int64 (3,); expected bool (3,)",
        ),
    ],
)
def test_a_broken_environment_is_found_out(config: CorridorEnvironmentConfig, message: str) -> None:
    assert complaint(lambda: check_environment(config)).startswith(message)


def test_an_environment_that_does_not_fit_its_data_is_found_out() -> None:
    source = CorridorConfig(observation_dims=[1]).build()
    found = complaint(lambda: check_environment(CONFIG, source))
    assert found == "observations have 2 dimensions, those of the data 1; use source.rule"


@every_meddling
@pytest.mark.parametrize("method", ["reset", "step"])
def test_an_environment_that_meddles_is_found_out(meddling: str, method: str) -> None:
    config = sessions(meddling_in(method, meddling))
    assert complaint(lambda: check_environment(config)).startswith(f"an episode {MEDDLING[meddling][1]}")
