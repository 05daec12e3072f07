"""PointMaze data sets are collected once, whole or not at all, by the policy that stands as the baseline."""

from __future__ import annotations

import os
import subprocess
import sys
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

pytest.importorskip("gymnasium_robotics", reason="PointMaze is in the extra 'mujoco'")

import gymnasium
import minari
import torch
from numpy.typing import NDArray

from ttf.episode_checks import check_episodes
from ttf.episodes import make_rows
from ttf.errors import DataError, ResourceError
from ttf.holding import HoldingPolicy
from ttf.interfaces.data import EnvironmentSpec
from ttf.interfaces.policy import Actor, Policy
from ttf.layout import Layout
from ttf.registered import make
from ttf.testing import check_data_source, check_environment
from ttf_plugins.gymnasium import GymnasiumConfig
from ttf_plugins.pointmaze_waypoints import PointMazeWaypointsConfig
from ttf_plugins.pointmaze_waypoints.mazes import environment_spec
from ttf_plugins.pointmaze_waypoints.pointmaze_waypoints import dataset_id
from ttf_plugins.uniform import UniformConfig

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from ttf.interfaces.progress import Task


class _Bar:
    """Remembers what was done, and can interrupt it."""

    def __init__(self, stop_at: int | None = None) -> None:
        self.tasks: list[tuple[str, int]] = []
        self.done = 0
        self._stop_at = stop_at

    @contextmanager
    def task(self, name: str, total: int, *, done: int = 0, unit: str = "") -> Iterator[Task]:
        self.tasks.append((name, total))
        yield self

    def advance(self, amount: int = 1, **figures: float) -> None:
        self.done += amount
        if self._stop_at is not None and self.done >= self._stop_at:
            raise KeyboardInterrupt

    def note(self, text: str) -> None:
        pass


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    path = tmp_path_factory.mktemp("minari")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MINARI_DATASETS_PATH", str(path))
        yield path


_SMALL = PointMazeWaypointsConfig(maze="umaze", steps=1500)


def test_a_data_set_is_collected_once_and_then_reused(store: Path) -> None:
    first, second = _Bar(), _Bar()
    source = _SMALL.build(seed=0, progress=first)
    again = _SMALL.build(seed=0, progress=second)
    assert (first.tasks, first.done) == ([("collecting PointMaze umaze", 1500)], 1500)
    assert second.tasks == []
    assert source.provenance == again.provenance
    assert source.provenance.id == dataset_id(_SMALL, 0)
    assert list(minari.list_local_datasets()) == [source.provenance.id]
    assert not list((store / ".ttf").glob("*/"))


@pytest.mark.usefixtures("store")
@pytest.mark.parametrize("fields", [{}, {"hindsight": 1, "detours": 0.5}, {"observation_keys": ["achieved_goal"]}])
def test_the_contract_of_data_sources_is_kept(fields: dict[str, Any]) -> None:
    check_data_source(_SMALL.model_copy(update=fields))


@pytest.mark.usefixtures("store")
def test_the_environment_of_the_data_keeps_its_contract() -> None:
    check_environment(GymnasiumConfig(), _SMALL.build(seed=0, progress=_Bar()))


def test_every_environment_that_is_made_is_closed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[_Closing] = []

    def watched(spec: EnvironmentSpec) -> _Closing:
        made.append(_Closing(make(spec)))
        return made[-1]

    monkeypatch.setenv("MINARI_DATASETS_PATH", str(tmp_path))
    monkeypatch.setattr("ttf_plugins.pointmaze_waypoints.pointmaze_waypoints.make", watched)
    _SMALL.build(seed=0, progress=_Bar())
    assert [env.closed for env in made] == [1] * 17


class _Closing(gymnasium.Wrapper[Any, Any, Any, Any]):
    """Counts how often it is closed."""

    closed = 0

    def close(self) -> None:
        self.closed += 1
        super().close()


def test_the_same_configuration_and_seed_give_the_same_data_elsewhere(
    store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert store != tmp_path
    here = _SMALL.build(seed=0, progress=_Bar()).provenance
    monkeypatch.setenv("MINARI_DATASETS_PATH", str(tmp_path))
    assert _SMALL.build(seed=0, progress=_Bar()).provenance == here


@pytest.mark.usefixtures("store")
def test_what_is_stored_is_what_a_plain_environment_returns_for_the_recorded_seeds_and_actions() -> None:
    dataset = minari.load_dataset(_SMALL.build(seed=0, progress=_Bar()).provenance.id)
    environment = make(EnvironmentSpec("PointMaze_UMaze-v3", {"continuing_task": False}))
    seeds = [metadata["seed"] for metadata in dataset.storage.get_episode_metadata(range(5))]
    for seed, recorded in zip(seeds, dataset, strict=False):
        observation, _ = environment.reset(seed=seed)
        for step, action in enumerate(recorded.actions):
            for key, values in recorded.observations.items():
                np.testing.assert_array_equal(values[step], observation[key])
            observation, reward, terminated, truncated, _ = environment.step(action)
            assert reward == recorded.rewards[step]
            assert (terminated, truncated) == (recorded.terminations[step], recorded.truncations[step])
        np.testing.assert_array_equal(recorded.observations["observation"][-1], observation["observation"])


@pytest.mark.usefixtures("store")
def test_episodes_are_the_flattened_records_end_at_their_goals_and_hold_the_steps_asked_for() -> None:
    source = _SMALL.build(seed=0, progress=_Bar())
    episodes = source.episodes()
    assert check_episodes(episodes) == (6, 2)
    assert sum(map(len, episodes)) >= 1500
    for episode, recorded in zip(episodes, minari.load_dataset(source.provenance.id), strict=True):
        entries = [recorded.observations[key] for key in ("observation", "desired_goal")]
        whole = np.concatenate(entries, axis=1).astype(np.float32)
        assert episode.final_observation is not None
        np.testing.assert_array_equal(np.vstack((episode.observations, episode.final_observation)), whole)
        np.testing.assert_array_equal(episode.actions, recorded.actions)
        assert episode.actions.dtype == np.float32
        assert episode.terminated
        assert episode.rewards.tolist() == [0] * (len(episode) - 1) + [1]


@pytest.mark.usefixtures("store")
def test_the_behaviour_policy_repeats_the_recorded_actions_but_for_its_noise() -> None:
    config = PointMazeWaypointsConfig(maze="umaze", steps=300, action_noise=0.0)
    source = config.build(seed=0, progress=_Bar())
    policy = source.behaviour()
    assert policy is not None
    for episode in source.episodes():
        np.testing.assert_array_equal(policy.start(len(episode), 0).act(episode.observations), episode.actions)


@pytest.mark.usefixtures("store")
def test_the_behaviour_policy_reaches_every_goal_and_repeats_itself_with_the_same_seed() -> None:
    source = _SMALL.build(seed=0, progress=_Bar())
    environment = GymnasiumConfig().build(source)
    policy = source.behaviour()
    assert policy is not None

    def steps(noise: int) -> list[int]:
        session, actor = environment.session(20), policy.start(20, noise)
        observations, running, needed = session.reset(range(100, 120)), np.arange(20), [0] * 20
        for _ in range(300):
            result = session.step(actor.act(observations))
            for row, success in zip(running, result.success, strict=True):
                needed[row] += 1
                assert success or not result.truncated.any()
            going = np.flatnonzero(~result.terminated)
            running, observations = running[going], result.observations[going]
            session.keep(going)
            actor.keep(going)
            if not len(running):
                break
        assert len(running) == 0
        return needed

    first = steps(1)
    assert steps(1) == first
    assert steps(2) != first


@pytest.mark.usefixtures("store")
def test_rows_of_an_actor_go_on_with_their_own_noise_when_others_end() -> None:
    config = PointMazeWaypointsConfig(maze="umaze", steps=300, noise_correlation=0.9, detours=0.9, detour_steps=50)
    policy = config.build(seed=0, progress=_Bar()).behaviour()
    assert policy is not None
    rows = np.zeros((4, 6), np.float32)
    whole, part = policy.start(4, 0), policy.start(4, 0)
    for _ in range(60):  # until all are on a detour
        np.testing.assert_array_equal(part.act(rows), whole.act(rows))
    part.keep(np.array([3, 1]))
    np.testing.assert_array_equal(part.act(rows[:2]), whole.act(rows)[[3, 1]])


@pytest.mark.usefixtures("store")
def test_detours_take_their_share_of_the_time_each_in_a_random_direction() -> None:
    config = PointMazeWaypointsConfig(maze="umaze", steps=300, action_noise=0.0, detours=0.3, detour_steps=10)
    plain = config.model_copy(update={"detours": 0.0}).build(seed=0, progress=_Bar()).behaviour()
    policy = config.build(seed=0, progress=_Bar()).behaviour()
    assert policy is not None
    assert plain is not None
    here = np.tile(np.array([1.0, 1.0, 0.0, 0.0, 1.0, 1.0], dtype=np.float32), (200, 1))  # at the goal: nothing to do
    assert not plain.start(200, 0).act(here).any()
    actor = policy.start(200, 0)
    acts = np.stack([actor.act(here) for _ in range(300)])  # (300, 200, 2)
    pushed = np.any(acts != 0, axis=2)  # (300, 200)
    assert pushed[50:].mean() == pytest.approx(0.3, abs=0.02)
    np.testing.assert_allclose(np.linalg.norm(acts[pushed], axis=1), 1, rtol=1e-6)
    assert np.abs(acts[pushed].mean(axis=0)).max() < 0.1
    rows = ("".join("x" if on else " " for on in row).rstrip("x") for row in pushed.T)
    assert {len(run) % 10 for row in rows for run in row.split()} == {0}  # one may follow another at once


@pytest.mark.usefixtures("store")
@pytest.mark.parametrize(
    ("change", "acts"),
    [
        ({"observation_keys": ["desired_goal", "observation"]}, True),
        ({"observation_keys": ["observation"]}, False),
        ({"observation_dims": [5, 4, 3, 2, 1, 0]}, True),
        ({"observation_dims": [0, 1, 4, 5]}, False),
    ],
)
def test_the_behaviour_acts_from_any_observation_that_holds_what_it_needs(change: dict[str, Any], acts: bool) -> None:
    plain = _SMALL.build(seed=0, progress=_Bar())
    other = PointMazeWaypointsConfig(maze="umaze", steps=1500, **change).build(seed=0, progress=_Bar())
    assert plain.provenance.id == other.provenance.id
    policy, reference = other.behaviour(), plain.behaviour()
    assert (policy is not None) == acts
    if policy is not None and reference is not None:
        expected = reference.start(20, 0).act(plain.episodes()[0].observations[:20])
        np.testing.assert_array_equal(policy.start(20, 0).act(other.episodes()[0].observations[:20]), expected)


def test_the_id_differs_with_everything_that_shapes_the_data_and_with_nothing_else() -> None:
    shaping: list[dict[str, Any]] = [
        {"maze": "large"},
        {"steps": 1501},
        {"position_gain": 5.0},
        {"velocity_gain": 2.0},
        {"action_noise": 0.1},
        {"noise_correlation": 0.1},
        {"detours": 0.1},
        {"detour_steps": 3},
    ]
    reading: list[dict[str, Any]] = [{"discount": 0.9}, {"stride": 2}, {"observation_keys": ["observation"]}]
    ids = [dataset_id(_SMALL.model_copy(update=change), 0) for change in shaping]
    assert len({dataset_id(_SMALL, 0), dataset_id(_SMALL, 1), *ids}) == 2 + len(shaping)
    assert {dataset_id(_SMALL.model_copy(update=change), 0) for change in reading} == {dataset_id(_SMALL, 0)}


def test_an_interrupted_collection_leaves_no_data_set_and_the_next_one_is_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MINARI_DATASETS_PATH", str(tmp_path))
    with pytest.raises(KeyboardInterrupt):
        _SMALL.build(seed=0, progress=_Bar(stop_at=1000))
    half = tmp_path / ".ttf" / dataset_id(_SMALL, 0).replace("/", "-") / dataset_id(_SMALL, 0) / "data"
    half.mkdir(parents=True)  # what a process that was killed while writing leaves
    (half / "metadata.json").write_text("{")
    assert minari.list_local_datasets() == {}
    assert os.environ["MINARI_DATASETS_PATH"] == str(tmp_path)
    source = _SMALL.build(seed=0, progress=_Bar())
    assert sum(map(len, source.episodes())) >= 1500
    assert [path.name for path in (tmp_path / ".ttf").iterdir() if path.is_dir()] == []


_RACE = """
from contextlib import nullcontext
from types import SimpleNamespace
from ttf_plugins.pointmaze_waypoints import PointMazeWaypointsConfig

tasks = []
bar = nullcontext(SimpleNamespace(advance=lambda amount, **figures: None))
progress = SimpleNamespace(task=lambda *args, **kwargs: tasks.append(args) or bar, note=lambda text: None)
source = PointMazeWaypointsConfig(maze="umaze", steps=1500).build(seed=0, progress=progress)
print(len(tasks), source.provenance.sha256)
"""


def test_processes_that_want_the_same_data_set_collect_it_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MINARI_DATASETS_PATH", str(tmp_path))
    command = [sys.executable, "-c", _RACE]
    processes = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(3)]
    lines = [process.communicate(timeout=120)[0].split() for process in processes]
    assert sorted(tasks for tasks, _ in lines) == ["0", "0", "1"]
    expected = _SMALL.build(seed=0, progress=_Bar()).provenance.sha256
    assert {sha for _, sha in lines} == {expected}


def test_a_store_that_cannot_be_written_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / ".ttf").write_text("in the way")
    monkeypatch.setenv("MINARI_DATASETS_PATH", str(tmp_path))
    with pytest.raises(ResourceError) as refusal:
        _SMALL.build(seed=0, progress=_Bar())
    assert str(refusal.value) == f"the Minari store {tmp_path} cannot be written: File exists"


def test_observation_dims_out_of_range_are_refused_before_anything_is_collected(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MINARI_DATASETS_PATH", str(tmp_path))
    with pytest.raises(DataError, match=r"^observation_dims: 6 is out of range; an observation has 6 dimensions$"):
        PointMazeWaypointsConfig(observation_dims=[6]).build(seed=0, progress=_Bar())
    assert list(tmp_path.iterdir()) == []


def test_four_rooms_are_joined_by_four_doors_and_nothing_else() -> None:
    environment: Any = make(environment_spec("fourrooms"))
    walls = np.array(environment.unwrapped.maze.maze_map)
    environment.close()
    assert walls.shape == (11, 11)
    assert walls[[0, -1]].all()
    assert walls[:, [0, -1]].all()
    assert [len(np.flatnonzero(wall == 0)) for wall in (walls[5, :5], walls[5, 6:], walls[:5, 5], walls[6:, 5])] == [
        1
    ] * 4
    rooms = [walls[rows, columns] for rows in (slice(1, 5), slice(6, 10)) for columns in (slice(1, 5), slice(6, 10))]
    assert not any(room.any() for room in rooms)
    assert walls[5, 5] == 1


@pytest.mark.usefixtures("store")
def test_evaluation_is_in_the_maze_of_the_data_even_where_its_map_is_not_registered() -> None:
    bar = _Bar()
    source = PointMazeWaypointsConfig(maze="fourrooms", steps=1000).build(seed=0, progress=bar)
    assert bar.tasks == [("collecting PointMaze fourrooms", 1000)]
    recorded = source.environment
    assert recorded == environment_spec("fourrooms")
    environment = GymnasiumConfig().build(source)
    floor = environment.floor_plan()
    assert environment.step_limit == 600
    assert floor is not None
    assert len(floor.walls) == 121 - 68
    environment.close()
    starts = {tuple(episode.observations[0, :2].round()) for episode in source.episodes()}
    goals = {tuple(episode.observations[0, 4:].round()) for episode in source.episodes()}
    assert len(starts) > 5 < len(goals)
    assert source.provenance.id.startswith("ttf/pointmaze-fourrooms/waypoints-")


@pytest.mark.usefixtures("store")
def test_data_without_rewards_has_a_single_token_for_them_and_acting_tells_none() -> None:
    config = _SMALL.model_copy(update={"reward_scale": 0.0, "stride": 4})
    source = config.build(seed=0, progress=_Bar())
    layout = Layout(6, 2)
    rows = make_rows(source.episodes(), layout, config)
    assert not rows.values[:, layout.reward :].any()
    discretizer = UniformConfig(bins=10).build(layout)
    discretizer.fit(torch.from_numpy(rows.values))
    assert discretizer.live[layout.reward :].sum(1).tolist() == [1, 1]
    told = _Told()
    actor = HoldingPolicy(told, config).start(1, 0)
    for reward in (0.0, 0.0, 0.0, 1.0):
        actor.act(np.zeros((1, 6), np.float32))
        actor.observe(np.array([reward], np.float32))
    assert [rewards.tolist() for rewards in told.rewards] == [[0.0]]


@dataclass
class _Told(Policy, Actor):
    """Does nothing, and remembers what rewards it is told."""

    rewards: list[NDArray[np.float32]] = field(default_factory=list)

    def start(self, batch: int, seed: int) -> Actor:
        return self

    def act(self, observations: NDArray[np.float32]) -> NDArray[np.float32]:
        return np.zeros((len(observations), 2), np.float32)

    def observe(self, rewards: NDArray[np.float32]) -> None:
        self.rewards.append(rewards)

    def keep(self, rows: NDArray[np.int64]) -> None:
        pass


@pytest.mark.usefixtures("store")
def test_hindsight_adds_copies_after_the_recorded_episodes() -> None:
    recorded = _SMALL.build(seed=0, progress=_Bar())
    source = _SMALL.model_copy(update={"hindsight": 3}).build(seed=0, progress=_Bar())
    count, total = len(recorded.episodes()), len(source.episodes())
    assert count < total <= 4 * count
    for before, after in zip(recorded.episodes(), source.episodes(), strict=False):
        np.testing.assert_array_equal(before.observations, after.observations)
    assert source.provenance.sha256 == recorded.provenance.sha256
    assert source.provenance.details["hindsight copies"] == str(total - count)
    assert check_episodes(source.episodes()) == (6, 2)


@pytest.mark.usefixtures("store")
def test_hindsight_needs_the_goal_in_the_observation() -> None:
    config = _SMALL.model_copy(update={"hindsight": 1, "observation_keys": ["observation"]})
    with pytest.raises(DataError, match=r"^data.hindsight needs position, velocity and goal; data.observation_keys"):
        config.build(seed=0, progress=_Bar())
