"""Vectorised environments do exactly what separate ones do, and misfits are refused before training."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import gymnasium
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ttf.errors import DataError
from ttf.interfaces.data import DataSource, EnvironmentSpec, Episode, Provenance
from ttf.interfaces.environment import FloorPlan
from ttf.observations import ObservationRule
from ttf.testing import check_environment
from ttf_plugins.gymnasium import GymnasiumConfig
from ttf_plugins.gymnasium.gymnasium import GymnasiumEnvironment

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from numpy.typing import NDArray


class _Countdown(gymnasium.Env[Any, Any]):
    """Terminates after a seeded number of steps, with success where that number is even."""

    observation_space = gymnasium.spaces.Dict(
        left=gymnasium.spaces.Box(-99, 99, (1,), np.float64), sum=gymnasium.spaces.Box(-99, 99, (2,), np.float64)
    )
    action_space = gymnasium.spaces.Box(-1, 1, (2,))

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[dict[str, NDArray[np.float64]], dict[str, Any]]:
        super().reset(seed=seed, options=options)
        self._length = self._left = int(self.np_random.integers(1, 8))
        self._sum = self.np_random.normal(size=2)
        return self._observe(), {}

    def step(
        self, action: NDArray[np.float32]
    ) -> tuple[dict[str, NDArray[np.float64]], float, bool, bool, dict[str, Any]]:
        self._left -= 1
        self._sum = self._sum + action
        return self._observe(), float(action[0]), self._left == 0, False, {"success": self._length % 2 == 0}

    def _observe(self) -> dict[str, NDArray[np.float64]]:
        return {"left": np.array([float(self._left)]), "sum": self._sum.copy()}


class _Blind(_Countdown):
    """Needs a display once it runs."""

    metadata = {"render_modes": ["human"]}  # noqa: RUF012  (as gymnasium declares it)

    def reset(self, **_: Any) -> Any:  # noqa: ANN401
        message = "no display\nand much more"
        raise gymnasium.error.DependencyNotInstalled(message)


@pytest.fixture(autouse=True, scope="module")
def _registered() -> Iterator[None]:
    gymnasium.register("Countdown-v0", entry_point=lambda **_: _Countdown(), max_episode_steps=5)
    gymnasium.register("Blind-v0", entry_point=lambda **_: _Blind())
    yield
    del gymnasium.registry["Countdown-v0"], gymnasium.registry["Blind-v0"]


class _Source(DataSource):
    def __init__(self, spec: EnvironmentSpec | None, rule: ObservationRule, widths: tuple[int, int]) -> None:
        self._spec, self._rule, self._widths = spec, rule, widths

    def episodes(self) -> list[Episode]:
        observation, action = self._widths
        return [Episode(np.zeros((3, observation), "f4"), np.zeros((3, action), "f4"), np.zeros(3, "f4"), False)]

    @property
    def provenance(self) -> Provenance:
        return Provenance("stub", "0" * 64)

    @property
    def environment(self) -> EnvironmentSpec | None:
        return self._spec

    @property
    def rule(self) -> ObservationRule:
        return self._rule

    def behaviour(self) -> None:
        return None


def _assert_equals_separate(
    environment: GymnasiumEnvironment, spec: EnvironmentSpec, rule: ObservationRule, seeds: list[int], steps: int
) -> int:
    """Step a session and separate environments with the same actions; returns how many episodes ended."""
    separate = [gymnasium.make(spec.id, **spec.options) for _ in seeds]
    session = environment.session(len(seeds))
    expected = np.stack([rule.flatten(env.reset(seed=seed)[0]) for env, seed in zip(separate, seeds, strict=True)])
    np.testing.assert_array_equal(session.reset(seeds), expected)
    random = np.random.default_rng(seeds[0])
    for _ in range(steps):
        actions = random.uniform(environment.action_low, environment.action_high, (len(separate), 2)).astype("f4")
        result = session.step(actions)
        for row, env in enumerate(separate):
            observation, reward, terminated, truncated, info = env.step(actions[row])
            np.testing.assert_array_equal(result.observations[row], rule.flatten(observation))
            assert result.rewards[row] == np.float32(float(reward))
            assert (result.terminated[row], result.truncated[row]) == (terminated, truncated)
            assert result.success[row] == info["success"]
        running = np.flatnonzero(~(result.terminated | result.truncated))
        separate = [separate[row] for row in running]
        session.keep(running)
        if not separate:
            break
    session.close()
    return len(seeds) - len(separate)


@pytest.mark.parametrize("id", ["Countdown-v0", "Pendulum-v1", "MountainCarContinuous-v0"])
def test_the_contract_of_environments_is_kept(id: str) -> None:  # noqa: A002  (as the field is called)
    check_environment(GymnasiumConfig(id=id))


@pytest.mark.parametrize("id", ["PointMaze_UMaze-v3", "AntMaze_UMaze-v5", "Hopper-v5"])
def test_the_contract_of_environments_is_kept_with_physics(id: str) -> None:  # noqa: A002
    pytest.importorskip("gymnasium_robotics", reason="they are in the extra 'mujoco'")
    check_environment(GymnasiumConfig(id=id, options={"max_episode_steps": 60}))


@given(seeds=st.lists(st.integers(0, 2**62), min_size=1, max_size=9), again=st.booleans())
@settings(max_examples=60, deadline=None)
def test_a_session_equals_separate_environments_step_by_step(seeds: list[int], again: bool) -> None:
    spec, rule = EnvironmentSpec("Countdown-v0"), ObservationRule(("sum", "left"))
    environment = GymnasiumEnvironment(spec, rule)
    for _ in range(1 + again):
        assert _assert_equals_separate(environment, spec, rule, seeds, steps=9) == len(seeds)


def test_a_pointmaze_session_equals_separate_environments_also_with_environments_used_before() -> None:
    pytest.importorskip("gymnasium_robotics", reason="PointMaze is in the extra 'mujoco'")
    spec = EnvironmentSpec("PointMaze_UMaze-v3", {"continuing_task": False, "max_episode_steps": 60})
    rule = ObservationRule(("observation", "desired_goal"))
    environment = GymnasiumEnvironment(spec, rule)
    for seeds in ([5, 6, 7], [8, 9], [5, 6, 7, 2**62]):
        assert _assert_equals_separate(environment, spec, rule, seeds, steps=60) == len(seeds)


def test_dropping_ended_episodes_does_not_look_at_the_environments_again(monkeypatch: pytest.MonkeyPatch) -> None:
    session = GymnasiumEnvironment(EnvironmentSpec("Countdown-v0"), ObservationRule()).session(4)
    session.reset([0, 1, 2, 3])

    def looked_at(_: object) -> None:
        raise AssertionError

    for name in ("action_space", "observation_space", "metadata"):
        monkeypatch.setattr(_Countdown, name, property(looked_at))
    session.keep(np.array([1, 3]))
    assert len(session.step(np.zeros((2, 2), np.float32)).rewards) == 2


def test_closing_an_environment_closes_every_one_that_was_made(monkeypatch: pytest.MonkeyPatch) -> None:
    closed: list[_Countdown] = []

    def close(self: _Countdown) -> None:
        closed.append(self)

    monkeypatch.setattr(_Countdown, "close", close)
    environment = GymnasiumEnvironment(EnvironmentSpec("Countdown-v0"), ObservationRule())
    session = environment.session(5)
    session.reset(range(5))
    session.keep(np.array([0, 4]))
    session.close()
    environment.close()
    environment.close()
    assert len({id(one) for one in closed}) == len(closed) == 5


def test_an_observation_is_not_changed_by_the_next_step() -> None:
    environment = GymnasiumEnvironment(EnvironmentSpec("Pendulum-v1"), ObservationRule())
    session = environment.session(2)
    first = session.reset([0, 1])
    before = first.copy()
    second = session.step(np.ones((2, 1), np.float32)).observations
    assert not np.array_equal(first, second)
    np.testing.assert_array_equal(first, before)


def test_an_environment_is_described_without_being_run() -> None:
    countdown = GymnasiumEnvironment(EnvironmentSpec("Countdown-v0"), ObservationRule())
    assert (countdown.id, countdown.observation_width, countdown.step_limit) == ("Countdown-v0", 3, 5)
    assert (countdown.action_low.tolist(), countdown.action_high.tolist()) == ([-1, -1], [1, 1])
    assert countdown.reports_success
    assert countdown.floor_plan() is None
    pendulum = GymnasiumEnvironment(EnvironmentSpec("Pendulum-v1", {"max_episode_steps": 7}), ObservationRule())
    assert (pendulum.step_limit, pendulum.reports_success) == (7, False)


def test_the_floor_plan_of_a_maze_has_its_walls_and_where_the_observation_holds_position_and_goal() -> None:
    pytest.importorskip("gymnasium_robotics", reason="PointMaze is in the extra 'mujoco'")
    spec = EnvironmentSpec("PointMaze_UMaze-v3", {"maze_map": [[1, 1, 1, 1], [1, 0, 0, 1], [1, 1, 1, 1]]})
    rows = {1: (-1.5, -0.5, 0.5, 1.5), 0: (-1.5, 1.5), -1: (-1.5, -0.5, 0.5, 1.5)}
    walls = [(x, float(y)) for y, xs in rows.items() for x in xs]

    def plan(*keys: str) -> FloorPlan | None:
        return GymnasiumEnvironment(spec, ObservationRule(keys)).floor_plan()

    assert plan("observation", "desired_goal") == FloorPlan(walls, 1.0, (0, 1), (4, 5))
    assert plan("desired_goal", "achieved_goal") == FloorPlan(walls, 1.0, (2, 3), (0, 1))
    assert plan("observation") == FloorPlan(walls, 1.0, (0, 1), None)
    assert plan("desired_goal") is None


def test_the_floor_plan_of_an_ant_maze_has_its_large_cells_and_its_fixed_goal() -> None:
    pytest.importorskip("gymnasium_robotics", reason="AntMaze is in the extra 'mujoco'")
    options = {"maze_map": [[1, 1, 1, 1], [1, "r", 0, 1], [1, 1, 1, 1]], "goal_cell": [1, 2]}
    environment = GymnasiumEnvironment(
        EnvironmentSpec("AntMaze_UMaze-v5", {**options, "include_cfrc_ext_in_observation": False}),
        ObservationRule(("achieved_goal", "observation")),
    )
    rows = {4: (-6.0, -2.0, 2.0, 6.0), 0: (-6.0, 6.0), -4: (-6.0, -2.0, 2.0, 6.0)}
    walls = [(x, float(y)) for y, xs in rows.items() for x in xs]
    assert environment.floor_plan() == FloorPlan(walls, 4.0, (0, 1), None, (2.0, 0.0))
    assert environment.observation_width == 29


def _options(config: GymnasiumConfig, recorded: EnvironmentSpec | None) -> Mapping[str, Any]:
    environment = config.build(_Source(recorded, ObservationRule(), (3, 1)))
    return {"step_limit": environment.step_limit, "id": environment.id}


def test_whether_an_id_is_registered_is_seen_before_anything_is_made() -> None:
    GymnasiumConfig().check()
    GymnasiumConfig(id="Pendulum-v1").check()
    with pytest.raises(DataError, match="'Pendulums-v1' is not registered; did you mean 'Pendulum-v1'"):
        GymnasiumConfig(id="Pendulums-v1").check()


def test_the_data_sets_own_environment_and_options_are_the_default_and_the_recipes_go_before_them() -> None:
    recorded = EnvironmentSpec("Pendulum-v1", {"max_episode_steps": 9})
    assert _options(GymnasiumConfig(), recorded) == {"step_limit": 9, "id": "Pendulum-v1"}
    assert _options(GymnasiumConfig(options={"g": 9.8}), recorded) == {"step_limit": 9, "id": "Pendulum-v1"}
    assert _options(GymnasiumConfig(options={"max_episode_steps": 4}), recorded)["step_limit"] == 4
    made = GymnasiumConfig(options={"g": 9.8}).build(_Source(recorded, ObservationRule(), (3, 1)))
    assert made.options == {"max_episode_steps": 9, "g": 9.8}, "studies compare them"
    other = EnvironmentSpec("Countdown-v0", {"max_episode_steps": 9})
    assert _options(GymnasiumConfig(id="Pendulum-v1"), other)["step_limit"] == 200


@pytest.mark.parametrize(
    ("config", "recorded", "widths", "expected"),
    [
        (
            GymnasiumConfig(),
            None,
            (3, 1),
            "data set 'stub' names no environment; set environment.id in the recipe",
        ),
        (
            GymnasiumConfig(id="Pendulums-v1"),
            None,
            (3, 1),
            "environment 'Pendulums-v1' is not registered; did you mean 'Pendulum-v1'?",
        ),
        (
            GymnasiumConfig(id="Blind-v0", options={"render_mode": "human"}),
            None,
            (3, 2),
            "environment 'Blind-v0' cannot be run with {'render_mode': 'human'}: no display",
        ),
        (
            GymnasiumConfig(id="CartPole-v1"),
            None,
            (4, 1),
            "environment 'CartPole-v1': actions are Discrete(2); only vectors (Box spaces of one axis) can be planned",
        ),
    ],
)
def test_an_environment_that_does_not_fit_is_refused(
    config: GymnasiumConfig, recorded: EnvironmentSpec | None, widths: tuple[int, int], expected: str
) -> None:
    with pytest.raises(DataError) as refusal:
        config.build(_Source(recorded, ObservationRule(), widths))
    assert str(refusal.value) == expected
