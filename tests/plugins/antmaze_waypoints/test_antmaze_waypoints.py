"""AntMaze data is what a plain environment returns, ends at one goal, and is collected once."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

pytest.importorskip("gymnasium_robotics", reason="AntMaze is in the extra 'mujoco'")

import gymnasium
import minari

from ttf.episode_checks import check_episodes
from ttf.errors import DataError
from ttf.interfaces.data import EnvironmentSpec
from ttf.maze import RADIUS, solve
from ttf.recording import BATCH
from ttf.registered import make
from ttf.testing import check_data_source, check_environment
from ttf_plugins.antmaze_waypoints import AntMazeWaypointsConfig
from ttf_plugins.antmaze_waypoints.antmaze_waypoints import dataset_id, environment_spec
from ttf_plugins.antmaze_waypoints.collect import COLUMNS, LYING, RULE, run
from ttf_plugins.antmaze_waypoints.walker import fallen, load_walker
from ttf_plugins.antmaze_waypoints.waypoints import Columns, WaypointPolicy
from ttf_plugins.gymnasium import GymnasiumConfig
from ttf_plugins.minari import MinariConfig

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from ttf.interfaces.progress import Task


class _Bar:
    """Remembers what was done."""

    def __init__(self) -> None:
        self.tasks: list[tuple[str, int]] = []
        self.done = 0

    @contextmanager
    def task(self, name: str, total: int, *, done: int = 0, unit: str = "") -> Iterator[Task]:
        self.tasks.append((name, total))
        yield self

    def advance(self, amount: int = 1, **figures: float) -> None:
        self.done += amount

    def note(self, text: str) -> None:
        pass


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    path = tmp_path_factory.mktemp("minari")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MINARI_DATASETS_PATH", str(path))
        yield path


_SMALL = AntMazeWaypointsConfig(steps=3000)
_GOAL = np.array([-4.0, 4.0])
_LIMIT = 700  # steps of an episode


def _policy(
    maze: str = "umaze", noise: float = 0.2, columns: Columns = COLUMNS, patience: int | None = None
) -> WaypointPolicy:
    environment: Any = make(environment_spec(maze))
    return WaypointPolicy(solve(environment.unwrapped.maze), load_walker(), (1, 1), noise, patience, columns)


def test_a_data_set_is_collected_once_and_then_reused(store: Path) -> None:
    first, second = _Bar(), _Bar()
    source = _SMALL.build(seed=0, progress=first)
    again = _SMALL.build(seed=0, progress=second)
    assert (first.tasks, first.done) == ([("collecting AntMaze umaze", 3000)], 3000)
    assert second.tasks == []
    assert source.provenance == again.provenance
    assert source.provenance.id == dataset_id(_SMALL, 0)
    assert list(minari.list_local_datasets()) == [source.provenance.id]
    assert not list((store / ".ttf").glob("*/"))
    details = source.provenance.details
    assert (details["maze"], details["action noise"], details["collector"]) == ("umaze", "0.2", "4")
    assert details["mujoco"].startswith("3.")


@pytest.mark.usefixtures("store")
@pytest.mark.parametrize("fields", [{}, {"observation_keys": ["observation"]}])
def test_the_contract_of_data_sources_is_kept(fields: dict[str, Any]) -> None:
    check_data_source(_SMALL.model_copy(update=fields))


@pytest.mark.usefixtures("store")
def test_the_environment_of_the_data_keeps_its_contract() -> None:
    check_environment(GymnasiumConfig(), _SMALL.build(seed=0, progress=_Bar()))


def test_the_same_configuration_and_seed_give_the_same_data_elsewhere_and_every_environment_is_closed(
    store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[_Closing] = []

    def watched(spec: EnvironmentSpec) -> _Closing:
        made.append(_Closing(make(spec)))
        return made[-1]

    assert store != tmp_path
    here = _SMALL.build(seed=0, progress=_Bar()).provenance
    monkeypatch.setenv("MINARI_DATASETS_PATH", str(tmp_path))
    monkeypatch.setattr("ttf_plugins.antmaze_waypoints.antmaze_waypoints.make", watched)
    assert _SMALL.build(seed=0, progress=_Bar()).provenance == here
    assert [env.closed for env in made] == [1] * (BATCH + 1)


class _Closing(gymnasium.Wrapper[Any, Any, Any, Any]):
    """Counts how often it is closed."""

    closed = 0

    def close(self) -> None:
        self.closed += 1
        super().close()


@pytest.mark.usefixtures("store")
def test_what_is_stored_is_what_a_plain_environment_returns_for_the_recorded_seeds_cells_and_actions() -> None:
    dataset = minari.load_dataset(_SMALL.build(seed=0, progress=_Bar()).provenance.id)
    environment: Any = dataset.recover_environment(eval_env=True)
    maze = environment.unwrapped.maze
    seeds = [metadata["seed"] for metadata in dataset.storage.get_episode_metadata(range(5))]
    for seed, recorded in zip(seeds, dataset, strict=False):
        cell = maze.cell_xy_to_rowcol(recorded.observations["achieved_goal"][0])
        observation, _ = environment.reset(seed=seed, options={"reset_cell": cell})
        for step, action in enumerate(recorded.actions):
            for key, values in recorded.observations.items():
                np.testing.assert_array_equal(values[step], observation[key])
            observation, reward, terminated, _, _ = environment.step(action)
            assert (reward, terminated) == (recorded.rewards[step], recorded.terminations[step])
        np.testing.assert_array_equal(recorded.observations["observation"][-1], observation["observation"])


@pytest.mark.usefixtures("store")
def test_an_episode_ends_with_a_reward_at_the_goal_or_is_cut_off_without_one() -> None:
    source = _SMALL.build(seed=0, progress=_Bar())
    episodes = source.episodes()
    assert check_episodes(episodes) == (29, 8)
    assert sum(map(len, episodes)) >= 3000
    truncated = [bool(recorded.truncations[-1]) for recorded in minari.load_dataset(source.provenance.id)]
    for episode, cut in zip(episodes, truncated, strict=True):
        assert episode.final_observation is not None
        after = np.vstack([episode.observations[1:], episode.final_observation])[:, :2]
        reached = np.linalg.norm(after - _GOAL, axis=1) <= RADIUS
        assert not reached[:-1].any()
        assert episode.terminated == reached[-1] == (not cut)
        assert episode.rewards.tolist() == [0] * (len(episode) - 1) + [float(episode.terminated)]
        lies = fallen(episode.final_observation[None, list(COLUMNS.body)])[0]
        assert cut == (lies or len(episode) == _LIMIT), "an episode goes on from one place to another"
    assert {episode.terminated for episode in episodes} == {True, False}


@pytest.mark.usefixtures("store")
def test_episodes_start_in_every_cell_but_the_goals() -> None:
    starts = np.array([episode.observations[0, :2] for episode in _SMALL.build(seed=0, progress=_Bar()).episodes()])
    free = {(1, 2), (1, 3), (2, 3), (3, 1), (3, 2), (3, 3)}
    assert {tuple(cell) for cell in _policy().maze.cells(starts).tolist()} == free


@pytest.mark.parametrize("maze", ["umaze", "medium", "large"])
def test_evaluation_starts_in_one_cell_and_has_its_goal_at_the_other_end(maze: str) -> None:
    environment: Any = make(environment_spec(maze))
    plan, starts = solve(environment.unwrapped.maze), []
    for seed in range(5):
        observation, _ = environment.reset(seed=seed)
        starts.append(observation["achieved_goal"])
    start, goal = {"umaze": ([3, 1], [1, 1]), "medium": ([1, 1], [6, 6]), "large": ([1, 1], [7, 9])}[maze]
    assert plan.cells(np.array(starts)).tolist() == [start] * 5
    assert len(np.unique(starts, axis=0)) == 5
    np.testing.assert_array_equal(environment.goal, plan.centres[*goal])


@pytest.mark.usefixtures("store")
def test_the_kind_minari_reads_the_same_episodes_and_environment() -> None:
    source = _SMALL.build(seed=0, progress=_Bar())
    config = MinariConfig(dataset=source.provenance.id, observation_keys=["achieved_goal", "observation"])
    read = config.build(seed=0, progress=_Bar())
    assert read.provenance.sha256 == source.provenance.sha256
    assert read.rule == source.rule
    assert read.environment == source.environment == environment_spec("umaze")


def test_an_observation_is_position_then_the_27_dimensions_that_ant_v4_has_too() -> None:
    new = make(environment_spec("umaze"))
    options = {key: environment_spec("umaze").options[key] for key in ("maze_map", "goal_cell")}
    # what Minari's D4RL data sets were recorded in
    old = make(EnvironmentSpec("AntMaze_UMaze-v4", {**options, "continuing_task": False}))
    simulator: Any = new.unwrapped
    random = np.random.default_rng(0)
    seen, before = new.reset(seed=0)[0], old.reset(seed=0)[0]
    for _ in range(30):
        expected = np.concatenate([simulator.data.qpos, simulator.data.qvel]).astype(np.float32)
        np.testing.assert_array_equal(RULE.flatten(seen), expected)
        np.testing.assert_array_equal(RULE.flatten(before), expected)
        action = random.uniform(-1, 1, 8).astype(np.float32)
        seen, before = new.step(action)[0], old.step(action)[0]


@pytest.mark.usefixtures("store")
def test_the_behaviour_policy_walks_from_place_to_place_and_repeats_itself_with_the_same_seed() -> None:
    source = _SMALL.build(seed=0, progress=_Bar())
    policy, environment = source.behaviour(), GymnasiumConfig().build(source)
    assert policy is not None

    def path(seed: int) -> Any:  # noqa: ANN401  (nested lists)
        session, actor = environment.session(2), policy.start(2, seed)
        seen = [session.reset([0, 1])]
        for _ in range(150):
            seen.append(session.step(actor.act(seen[-1])).observations)
        session.close()
        return np.array(seen)[:, :, :2].tolist()

    first = path(1)
    assert path(1) == first
    assert path(2) != first
    assert np.linalg.norm(np.ptp(first, axis=0), axis=1).min() > 4  # metres: both have left their cell


def test_an_actor_that_arrives_goes_to_another_cell_and_rows_keep_their_places() -> None:
    policy = _policy(noise=0.0)
    actor = policy.start(40, 0)
    rows = np.zeros((40, 29), np.float32)
    rows[:, 3] = 1.0  # upright
    rows[:, :2] = policy.maze.centres[3, 1]
    assert not actor.arrived(rows).any()
    actor.act(rows)
    places = actor._places.copy()
    cells = policy.maze.cells(places).tolist()
    assert {tuple(cell) for cell in cells} == {(1, 1), (1, 2), (1, 3), (2, 3), (3, 2), (3, 3)}
    to_goal = [place.tolist() == _GOAL.tolist() for place in places]
    assert to_goal == [cell == [1, 1] for cell in cells]
    rows[:20, :2] = places[:20] + RADIUS / 2
    assert actor.arrived(rows).tolist() == [True] * 20 + [False] * 20
    actor.act(rows)
    assert (policy.maze.cells(actor._places[:20]) != cells[:20]).any(axis=1).all()
    np.testing.assert_array_equal(actor._places[20:], places[20:])
    actor.keep(np.array([30, 25]))
    np.testing.assert_array_equal(actor._places, places[[30, 25]])


def test_an_impatient_actor_gives_up_its_places_at_random_and_a_patient_one_keeps_them() -> None:
    rows = np.zeros((400, 29), np.float32)
    rows[:, 3] = 1.0  # upright
    rows[:, :2] = _policy().maze.centres[3, 1]
    changed = {}
    for patience in (None, 1, 10):
        actor = _policy(patience=patience).start(400, 0)
        actor.act(rows)
        places = actor._places.copy()
        actor.act(rows)
        changed[patience] = (actor._places != places).any(axis=1).mean()
    assert changed[None] == 0
    assert changed[1] > 0.9  # but for those that were to go to the goal, and are again
    assert 0.05 < changed[10] < 0.2


class _Tumbling(gymnasium.Env[Any, Any]):
    """An ant that stands still, far from any place, and lies on its back after three steps, but for one of them."""

    up: int | None = None

    def __init__(self) -> None:
        self.steps = 0

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        self.steps = 0
        return self._seen(), {}

    def step(self, action: object) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        self.steps += 1
        return self._seen(), 0.0, False, False, {}

    def _seen(self) -> dict[str, Any]:
        body = np.zeros(27)
        body[1 if self.steps < 3 or self.steps == self.up else 2] = 1.0
        return {"achieved_goal": np.array([4.0, 0.0]), "observation": body, "desired_goal": np.zeros(2)}


def test_an_episode_is_cut_off_where_the_ant_has_been_lying_on_its_back_for_a_while() -> None:
    (episode,) = run([_Tumbling()], _policy(), [0, 1])
    assert len(episode) == 3 + LYING
    assert episode.truncations.tolist() == [False] * (2 + LYING) + [True]
    assert not episode.terminations.any()
    assert fallen(episode.observations["observation"]).tolist() == [False] * 3 + [True] * (LYING + 1)


def test_an_ant_that_gets_up_again_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_Tumbling, "up", 3 + LYING)
    (episode,) = run([_Tumbling()], _policy(), [0, 1])
    assert len(episode) == 4 + 2 * LYING
    assert int(fallen(episode.observations["observation"]).sum()) == 2 * LYING + 1


@pytest.mark.usefixtures("store")
@pytest.mark.parametrize(
    ("change", "acts"),
    [
        ({"observation_keys": ["desired_goal", "observation", "achieved_goal"]}, True),
        ({"observation_keys": ["observation"]}, False),
        ({"observation_dims": list(range(28, -1, -1))}, True),
        ({"observation_dims": list(range(28))}, False),
    ],
)
def test_the_behaviour_acts_from_any_observation_that_holds_what_it_needs(change: dict[str, Any], acts: bool) -> None:
    plain = _SMALL.build(seed=0, progress=_Bar())
    other = AntMazeWaypointsConfig.model_validate({"steps": 3000, **change}).build(seed=0, progress=_Bar())
    assert plain.provenance.id == other.provenance.id
    policy, reference = other.behaviour(), plain.behaviour()
    assert (policy is not None) == acts
    if policy is not None and reference is not None:
        expected = reference.start(20, 0).act(plain.episodes()[0].observations[:20])
        np.testing.assert_array_equal(policy.start(20, 0).act(other.episodes()[0].observations[:20]), expected)


def test_the_id_differs_with_everything_that_shapes_the_data_and_with_nothing_else() -> None:
    shaping: list[dict[str, Any]] = [{"maze": "large"}, {"steps": 3001}, {"action_noise": 0.1}, {"patience": 50}]
    reading: list[dict[str, Any]] = [{"discount": 0.9}, {"stride": 2}, {"observation_keys": ["observation"]}]
    ids = [dataset_id(_SMALL.model_copy(update=change), 0) for change in shaping]
    assert len({dataset_id(_SMALL, 0), dataset_id(_SMALL, 1), *ids}) == 2 + len(shaping)
    assert {dataset_id(_SMALL.model_copy(update=change), 0) for change in reading} == {dataset_id(_SMALL, 0)}


def test_observation_dims_out_of_range_are_refused_before_anything_is_collected(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MINARI_DATASETS_PATH", str(tmp_path))
    with pytest.raises(DataError, match=r"^observation_dims: 29 is out of range; an observation has 29 dimensions$"):
        AntMazeWaypointsConfig(observation_dims=[29]).build(seed=0, progress=_Bar())
    assert list(tmp_path.iterdir()) == []
