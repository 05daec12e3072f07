"""Minari data sets are read bit by bit, without network or anybody's code, or refused in one line."""

from __future__ import annotations

import json
import socket
import sys
import time
import warnings
from typing import TYPE_CHECKING, Any

import gymnasium
import minari
import numpy as np
import pytest
from gymnasium import spaces
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from minari.data_collector import EpisodeBuffer
from pydantic import ValidationError

from ttf.episode_checks import check_episodes
from ttf.errors import DataError
from ttf.interfaces.data import EnvironmentSpec
from ttf.testing import check_data_source
from ttf_plugins.gymnasium import GymnasiumConfig
from ttf_plugins.minari import MinariConfig

if TYPE_CHECKING:
    from collections.abc import Sequence
    from contextlib import AbstractContextManager
    from pathlib import Path

    from ttf.interfaces.data import DataSource
    from ttf.interfaces.progress import Task

_SPACE = spaces.Dict({key: spaces.Box(-9, 9, (width,)) for key, width in {"goal": 2, "place": 3}.items()})
_ACTIONS = spaces.Box(-1, 1, (2,))


class _Silence:
    def task(self, name: str, total: int, *, done: int = 0, unit: str = "") -> AbstractContextManager[Task]:
        raise AssertionError(name, total, done, unit)

    def note(self, text: str) -> None:
        pass


@pytest.fixture(autouse=True)
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("MINARI_DATASETS_PATH", str(tmp_path / "store"))
    return tmp_path / "store"


def _buffer(steps: int, *, seed: int = 0, ends: bool = True, **changes: Any) -> EpisodeBuffer:  # noqa: ANN401
    random = np.random.default_rng(seed)
    fields = {
        "observations": {
            "goal": random.normal(size=(steps + 1, 2)).astype(np.float32),
            "place": random.normal(size=(steps + 1, 3)).astype(np.float32),
        },
        "actions": random.uniform(-1, 1, size=(steps, 2)).astype(np.float32),
        "rewards": random.normal(size=steps).astype(np.float32),
        "terminations": np.arange(steps) == steps - 1 if ends else np.zeros(steps, bool),
        "truncations": np.zeros(steps, bool),
    }
    return EpisodeBuffer(**{**fields, **changes})


def _create(buffers: Sequence[EpisodeBuffer], dataset_id: str = "test/walk-v0", **arguments: Any) -> str:  # noqa: ANN401
    arguments = {"observation_space": _SPACE, "action_space": _ACTIONS, "author": "A. Person", **arguments}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # Minari would like to know more about the data set
        minari.create_dataset_from_buffers(dataset_id, list(buffers), **arguments)
    return dataset_id


def _open(dataset_id: str, **fields: Any) -> DataSource:  # noqa: ANN401
    return MinariConfig(dataset=dataset_id, **fields).build(seed=0, progress=_Silence())


def _refusal(dataset_id: str, **fields: Any) -> str:  # noqa: ANN401
    with pytest.raises(DataError) as refusal:
        _open(dataset_id, **fields).episodes()
    assert "\n" not in str(refusal.value)
    return str(refusal.value)


@given(lengths=st.lists(st.integers(1, 30), min_size=1, max_size=5), seed=st.integers(0, 99), ends=st.booleans())
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_what_is_stored_is_what_is_read_bit_by_bit(lengths: list[int], seed: int, ends: bool) -> None:
    if "test/walk-v0" in minari.list_local_datasets():
        _delete("test/walk-v0")
    buffers = [_buffer(steps, seed=seed + row, ends=ends) for row, steps in enumerate(lengths)]
    source = _open(_create(buffers), observation_keys=["place", "goal"], observation_dims=[4, 0, 2])
    assert len(source.episodes()) == len(buffers)
    for episode, buffer in zip(source.episodes(), buffers, strict=True):
        assert isinstance(buffer.observations, dict)
        whole = np.concatenate([buffer.observations["place"], buffer.observations["goal"]], axis=1)[:, [4, 0, 2]]
        assert episode.final_observation is not None
        np.testing.assert_array_equal(np.vstack((episode.observations, episode.final_observation)), whole)
        np.testing.assert_array_equal(episode.actions, buffer.actions)
        np.testing.assert_array_equal(episode.rewards, buffer.rewards)
        types = {values.dtype for values in (episode.observations, episode.actions, episode.rewards)}
        assert types == {np.dtype("float32")}
        assert episode.terminated == ends


def _delete(dataset_id: str) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("builtins.print", lambda *_: None)
        minari.delete_dataset(dataset_id)


@pytest.mark.parametrize("keys", [None, ["place"]])
def test_the_contract_of_data_sources_is_kept(keys: list[str] | None) -> None:
    dataset = _create([_buffer(5), _buffer(7, seed=1, ends=False)])
    check_data_source(MinariConfig(dataset=dataset, observation_keys=keys))


def test_without_keys_all_entries_are_concatenated_sorted_by_name() -> None:
    buffer = _buffer(5)
    assert isinstance(buffer.observations, dict)
    observations = _open(_create([buffer])).episodes()[0].observations
    expected = np.concatenate([buffer.observations["goal"], buffer.observations["place"]], axis=1)[:-1]
    np.testing.assert_array_equal(observations, expected)


def test_the_provenance_says_which_data_it_is() -> None:
    first = _open(_create([_buffer(5), _buffer(7)])).provenance
    assert first.id == "test/walk-v0"
    assert first.details == {
        "minari": minari.__version__,
        "episodes": "2",
        "steps": "12",
        "author": "A. Person",
        "algorithm": "unknown",
    }
    same = _open(_create([_buffer(5), _buffer(7)], "test/same-v0")).provenance
    other = _open(_create([_buffer(5), _buffer(7, seed=1)], "test/other-v0")).provenance
    assert first.sha256 == same.sha256 != other.sha256


def test_a_missing_data_set_is_refused_at_once_with_its_neighbours_and_without_the_network(
    store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    tail = "; to download it, set data.download to true"
    empty = f"Minari data set 'test/wolk-v0' is not in the local store ({store / 'test/wolk-v0'}), which is empty{tail}"
    assert _refusal("test/wolk-v0") == empty
    _create([_buffer(5)])
    _create([_buffer(5)], "other/run-v3")
    start = time.monotonic()
    message = _refusal("test/wolk-v0")
    assert time.monotonic() - start < 1
    assert message == empty.replace(", which is empty", "; nearest of the 2 there: test/walk-v0")


def test_whether_a_data_set_is_there_is_seen_before_it_is_opened() -> None:
    MinariConfig(dataset=_create([_buffer(5)])).check()
    MinariConfig(dataset="test/wolk-v0", download=True).check()
    with pytest.raises(
        DataError, match=r"^Minari data set 'test/wolk-v0' is not in the local store .*: test/walk-v0; "
    ):
        MinariConfig(dataset="test/wolk-v0").check()


@pytest.mark.parametrize(
    "dataset", ["../../etc-v0", "a/../b-v0", "/etc/passwd-v0", "a\0b-v0", "x" * 5000 + "-v0", "", "a", "hf://a/b-v0"]
)
def test_ids_that_could_leave_the_store_are_refused_by_the_recipe(dataset: str) -> None:
    with pytest.raises(ValidationError, match="dataset"):
        MinariConfig(dataset=dataset)


def test_a_download_is_whole_or_not_at_all(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(dataset_id: str) -> None:
        _create([_buffer(5)], dataset_id)
        message = "[Errno -2] Name or service not known\nand much more"
        raise ConnectionError(message)

    monkeypatch.setattr(minari, "download_dataset", broken)
    expected = "Minari data set 'test/walk-v0' cannot be downloaded: [Errno -2] Name or service not known"
    assert _refusal("test/walk-v0", download=True) == expected
    assert minari.list_local_datasets() == {}

    monkeypatch.setattr(minari, "download_dataset", lambda dataset_id: _create([_buffer(6)], dataset_id))
    assert len(_open("test/walk-v0", download=True).episodes()[0]) == 6
    assert list(minari.list_local_datasets()) == ["test/walk-v0"]
    assert not list((store / ".ttf").glob("*/"))

    monkeypatch.setattr(minari, "download_dataset", broken)
    assert len(_open("test/walk-v0", download=True).episodes()[0]) == 6


def test_rules_and_actions_that_do_not_fit_are_refused_with_what_would() -> None:
    _create([_buffer(5)])
    unknown = "observation_keys: unknown entry 'plaice'; did you mean 'place'?; known: goal, place"
    assert _refusal("test/walk-v0", observation_keys=["plaice"]) == f"Minari data set 'test/walk-v0': {unknown}"
    wide = "observation_dims: 5 is out of range; an observation has 5 dimensions"
    assert _refusal("test/walk-v0", observation_dims=[0, 5]) == f"Minari data set 'test/walk-v0': {wide}"
    _create([_buffer(5, actions=np.zeros(5, np.int64))], "test/grid-v0", action_space=spaces.Discrete(7))
    discrete = "actions are Discrete(7); only vectors (Box spaces of one axis) can be planned"
    assert _refusal("test/grid-v0") == f"Minari data set 'test/grid-v0': {discrete}"


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"actions": np.ones((4, 2), np.float32)}, "episode 1: 4 actions but 5 rewards"),
        ({"actions": np.ones((5, 3), np.float32)}, "episode 1: actions have 3 dimensions, those of episode 0 have 2"),
        (
            {"rewards": np.array([0, 0, np.nan, np.inf, 0])},
            "episode 1, step 2: rewards is nan (2 non-finite values in this episode)",
        ),
    ],
)
def test_what_minari_accepts_and_nobody_can_learn_from_is_found_by_the_checks(
    changes: dict[str, Any], expected: str
) -> None:
    source = _open(_create([_buffer(5), _buffer(5, **changes)]))
    with pytest.raises(DataError) as refusal:
        check_episodes(source.episodes())
    assert str(refusal.value) == expected


def test_the_environment_is_the_registered_one_with_the_recorded_plain_options() -> None:
    recorded = gymnasium.make("Pendulum-v1", g=9.0, max_episode_steps=50, render_mode="rgb_array")
    assert _open(_create([_buffer(5)], env=recorded)).environment == EnvironmentSpec(
        "Pendulum-v1", {"g": 9.0, "max_episode_steps": 50}
    )
    meant = gymnasium.make("Pendulum-v1", g=8.0)
    both = _create([_buffer(5)], "test/both-v0", env=recorded, eval_env=meant)
    assert _open(both).environment == EnvironmentSpec("Pendulum-v1", {"g": 8.0})
    assert _open(_create([_buffer(5)], "test/none-v0")).environment is None


def _edit(store: Path, **changes: object) -> None:
    file = store / "test/walk-v0/data/metadata.json"
    metadata = {**json.loads(file.read_text()), **changes}
    file.write_text(json.dumps({key: value for key, value in metadata.items() if value is not None}))


def test_code_that_a_data_set_names_is_not_run(store: Path) -> None:
    _create([_buffer(5)], env=gymnasium.make("Pendulum-v1"))
    metadata = json.loads((store / "test/walk-v0/data/metadata.json").read_text())
    spec = {**json.loads(metadata["env_spec"]), "id": "this:Pendulum-v1", "entry_point": "this:d"}
    spec["additional_wrappers"] = [{"name": "this", "entry_point": "this:d", "kwargs": {}}]
    _edit(store, env_spec=json.dumps(spec))
    with pytest.raises(DataError, match=r"^environment 'this:Pendulum-v1' is not registered"):
        GymnasiumConfig().build(_open("test/walk-v0"))
    _edit(store, env_spec=json.dumps({**spec, "id": "Pendulum-v1"}))
    assert _open("test/walk-v0").environment == EnvironmentSpec("Pendulum-v1")
    _edit(store, observation_space=None)
    assert _refusal("test/walk-v0").endswith("its metadata has no observation_space")
    assert "this" not in sys.modules


def test_a_damaged_data_set_is_refused_with_its_place(store: Path) -> None:
    _create([_buffer(5)])
    data = store / "test/walk-v0/data"
    file = data / "main_data.hdf5"
    file.write_bytes(file.read_bytes()[:1000])
    assert _refusal("test/walk-v0").startswith("Minari data set 'test/walk-v0': cannot be read: ")
    (data / "metadata.json").write_text("{")
    opened = f"Minari data set 'test/walk-v0' ({store / 'test/walk-v0'}): cannot be opened: "
    assert _refusal("test/walk-v0").startswith(opened)
    (data / "metadata.json").unlink()
    assert _refusal("test/walk-v0").startswith(opened)


def test_a_minari_data_set_knows_no_behaviour_policy() -> None:
    assert _open(_create([_buffer(5)])).behaviour() is None


def test_folders_of_the_store_whose_names_are_no_ids_are_passed_over(store: Path) -> None:
    for name in ("no version", "plain", "sp ace-v0", ".hidden-v0"):
        (store / name / "data").mkdir(parents=True)
    _create([_buffer(5)])
    assert "; nearest of the 1 there: test/walk-v0;" in _refusal("test/wolk-v0")


def test_metadata_that_lacks_an_entry_is_refused_with_more_than_its_name(store: Path) -> None:
    _create([_buffer(5)])
    file = store / "test/walk-v0/data/metadata.json"
    metadata = json.loads(file.read_text())
    del metadata["total_steps"]
    file.write_text(json.dumps(metadata))
    assert _refusal("test/walk-v0").endswith(": KeyError: 'total_steps'")


def test_what_is_beyond_float32_is_refused_with_its_place() -> None:
    rewards = np.array([0, 0, 1e300, 0, 0])
    _create([_buffer(5), _buffer(5, rewards=rewards)])
    expected = r"^episode 1, step 2: rewards is inf \(1 non-finite value in this episode\)$"
    with pytest.raises(DataError, match=expected):
        check_episodes(_open("test/walk-v0").episodes())
