"""Files in D4RL's form are split into exactly the episodes they hold, or refused in one line."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import h5py
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ttf.episode_checks import check_episodes
from ttf.errors import DataError
from ttf.interfaces.data import EnvironmentSpec
from ttf.observations import ObservationRule
from ttf.recipe import dump, load
from ttf.testing import check_data_source
from ttf_plugins.d4rl_hdf5 import D4rlHdf5Config

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from ttf.interfaces.data import DataSource
    from ttf.interfaces.progress import Task
    from ttf.registry import Registry


class _Silence:
    def task(self, name: str, total: int, *, done: int = 0, unit: str = "") -> AbstractContextManager[Task]:
        raise AssertionError(name, total, done, unit)

    def note(self, text: str) -> None:
        raise AssertionError(text)


def _write(path: Path, count: int = 12, **arrays: Any) -> Path:  # noqa: ANN401
    """A file of ``count`` steps; an array given as None is left out."""
    random = np.random.default_rng(0)
    whole = {
        "observations": random.normal(size=(count, 3)).astype(np.float32),
        "actions": random.normal(size=(count, 2)).astype(np.float32),
        "rewards": random.normal(size=count).astype(np.float32),
        "terminals": np.zeros(count, bool),
        "timeouts": np.zeros(count, bool),
        **{key.replace("__", "/"): values for key, values in arrays.items()},
    }
    with h5py.File(path, "w") as file:
        for key, values in whole.items():
            if values is not None:
                file[key] = values
    return path


def _open(path: Path, **fields: Any) -> DataSource:  # noqa: ANN401
    return D4rlHdf5Config(path=str(path), **fields).build(seed=0, progress=_Silence())


def _lengths(path: Path, **fields: Any) -> list[tuple[int, bool]]:  # noqa: ANN401
    return [(len(episode), episode.terminated) for episode in _open(path, **fields).episodes()]


def _flags(count: int, *places: int) -> Any:  # noqa: ANN401
    return np.isin(np.arange(count), places)


@pytest.mark.parametrize("environment", [None, "Pendulum-v1"])
def test_the_contract_of_data_sources_is_kept(tmp_path: Path, environment: str | None) -> None:
    path = _write(tmp_path / "a.hdf5", terminals=_flags(12, 2), timeouts=_flags(12, 7))
    check_data_source(D4rlHdf5Config(path=str(path), environment=environment))


def test_episodes_end_at_terminals_and_timeouts_and_the_trailing_piece_is_kept(tmp_path: Path) -> None:
    path = _write(tmp_path / "a.hdf5", terminals=_flags(12, 2), timeouts=_flags(12, 7))
    assert _lengths(path) == [(3, True), (5, False), (4, False)]


def test_a_step_that_is_terminal_and_timeout_is_terminal(tmp_path: Path) -> None:
    path = _write(tmp_path / "a.hdf5", terminals=_flags(12, 11), timeouts=_flags(12, 5, 11))
    assert _lengths(path) == [(6, False), (6, True)]


@given(
    count=st.integers(4, 60),
    ends=st.sets(st.integers(0, 29).map(lambda half: 2 * half + 1)),
    timeouts=st.sets(st.integers(0, 29).map(lambda half: 2 * half + 1)),
    goal=st.booleans(),
)
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_the_episodes_one_after_the_other_are_the_file(
    tmp_path: Path, count: int, ends: set[int], timeouts: set[int], goal: bool
) -> None:
    count -= count % 2  # so that no piece is a single step
    goals = np.repeat(np.arange(count // 2), 2)[:, None] // 3 * np.ones((1, 2), np.float32)
    flags = {"terminals": _flags(count, *ends), "timeouts": _flags(count, *timeouts)}
    path = _write(tmp_path / "a.hdf5", count, **flags, infos__goal=goals)
    episodes = _open(path, append_goal=goal).episodes()
    with h5py.File(path) as file:
        observations = file["observations"][()]
        if goal:
            observations = np.concatenate([observations, goals], axis=1, dtype=np.float32)
        np.testing.assert_array_equal(np.concatenate([episode.observations for episode in episodes]), observations)
        np.testing.assert_array_equal(np.concatenate([episode.actions for episode in episodes]), file["actions"])
        np.testing.assert_array_equal(np.concatenate([episode.rewards for episode in episodes]), file["rewards"])
    last = np.cumsum([len(episode) for episode in episodes]) - 1
    assert [episode.terminated for episode in episodes] == [bool(flags["terminals"][step]) for step in last]
    cuts = flags["terminals"] | flags["timeouts"]
    assert set(np.flatnonzero(cuts)) <= set(last)
    assert not goal or all((episode.observations[:, 3:] == episode.observations[0, 3:]).all() for episode in episodes)


def test_without_timeouts_the_limit_cuts_and_is_needed(tmp_path: Path) -> None:
    path = _write(tmp_path / "a.hdf5", timeouts=None, terminals=_flags(12, 6))
    assert _lengths(path, max_episode_steps=5) == [(5, False), (2, True), (5, False)]
    expected = f"{path}: has no 'timeouts', so that episodes cannot be told apart; set data.max_episode_steps"
    assert _refusal(path) == expected


def test_episodes_are_split_where_the_goal_changes(tmp_path: Path) -> None:
    goals = np.repeat([[0.0, 1.0], [5.0, 6.0], [5.0, 7.0]], 4, axis=0)
    path = _write(tmp_path / "a.hdf5", infos__goal=goals, terminals=_flags(12, 3))
    assert _lengths(path) == [(4, True), (8, False)]
    assert _lengths(path, append_goal=True) == [(4, True), (4, False), (4, False)]
    assert _open(path, append_goal=True).episodes()[2].observations[:, 3:].tolist() == [[5, 7]] * 4
    missing = f"{tmp_path / 'b.hdf5'}: has no 'infos/goal'"
    assert _refusal(_write(tmp_path / "b.hdf5"), append_goal=True).startswith(missing)


def test_a_single_step_is_left_out_only_where_the_file_or_the_goal_cut_it_off(tmp_path: Path) -> None:
    path = _write(tmp_path / "a.hdf5", terminals=_flags(12, 4, 5), timeouts=_flags(12, 10))
    assert _lengths(path) == [(5, True), (1, True), (5, False)]


def test_dimensions_are_kept_in_order_and_the_rule_is_that_of_the_environment(tmp_path: Path) -> None:
    path = _write(tmp_path / "a.hdf5")
    source = _open(path, observation_dims=[2, 0], observation_keys=["observation"], environment="Pendulum-v1")
    whole = _open(path).episodes()[0].observations
    np.testing.assert_array_equal(source.episodes()[0].observations, whole[:, [2, 0]])
    assert source.rule == ObservationRule(("observation",), (2, 0))
    assert source.environment == EnvironmentSpec("Pendulum-v1")
    assert source.behaviour() is None
    assert _open(path).environment is None
    wide = f"{path}: observation_dims: 3 is out of range; an observation has 3 dimensions"
    assert _refusal(path, observation_dims=[3]) == wide


def test_the_provenance_names_the_file_and_hashes_its_arrays(tmp_path: Path) -> None:
    first = _open(_write(tmp_path / "a.hdf5")).provenance
    other = _open(_write(tmp_path / "b.hdf5", rewards=np.zeros(12, np.float32))).provenance
    assert (first.id, first.details) == ("a.hdf5", {"file": "a.hdf5", "steps": "12"})
    assert first.sha256 == _open(_write(tmp_path / "c.hdf5")).provenance.sha256 != other.sha256


def test_columns_of_flags_and_rewards_are_as_good_as_vectors(tmp_path: Path) -> None:
    columns = {"rewards": np.ones((12, 1)), "terminals": _flags(12, 4)[:, None], "timeouts": _flags(12, 8)[:, None]}
    assert _lengths(_write(tmp_path / "a.hdf5", **columns)) == [(5, True), (4, False), (3, False)]


def _refusal(path: Path, **fields: Any) -> str:  # noqa: ANN401
    with pytest.raises(DataError) as refusal:
        _open(path, **fields)
    assert "\n" not in str(refusal.value)
    return str(refusal.value)


def test_whether_there_is_a_file_is_seen_before_it_is_opened(tmp_path: Path) -> None:
    file = tmp_path / "a.hdf5"
    with pytest.raises(DataError, match=r"a\.hdf5: no such file"):
        D4rlHdf5Config(path=str(file)).check()
    file.touch()
    D4rlHdf5Config(path=str(file)).check()


def test_what_is_no_file_or_not_hdf5_is_refused(tmp_path: Path) -> None:
    assert _refusal(tmp_path / "none.hdf5") == f"{tmp_path / 'none.hdf5'}: no such file"
    assert _refusal(tmp_path) == f"{tmp_path}: no such file"
    (tmp_path / "text.hdf5").write_text("not HDF5")
    assert _refusal(tmp_path / "text.hdf5").startswith(f"{tmp_path / 'text.hdf5'}: cannot be read as HDF5: ")
    whole = _write(tmp_path / "whole.hdf5").read_bytes()
    (tmp_path / "half.hdf5").write_bytes(whole[: len(whole) // 2])
    assert _refusal(tmp_path / "half.hdf5").startswith(f"{tmp_path / 'half.hdf5'}: cannot be read as HDF5: ")


@pytest.mark.parametrize(
    ("arrays", "expected"),
    [
        ({"rewards": None}, "has no 'rewards'; known: actions, observations, terminals, timeouts"),
        (
            {"terminals": None, "terminal": np.zeros(12)},
            "has no 'terminals'; did you mean 'terminal'?; known: actions, observations, rewards, terminal, timeouts",
        ),
        ({"actions": np.ones((11, 2))}, "'actions' has shape (11, 2), with 12 rewards"),
        ({"actions": np.ones(12)}, "'actions' has shape (12,), with 12 rewards"),
        ({"timeouts": np.zeros(13)}, "'timeouts' has shape (13,), with 12 rewards"),
        ({"terminals": np.where(_flags(12, 4), np.nan, 0)}, "'terminals' is nan at step 4; expected true or false"),
        ({"timeouts": np.where(_flags(12, 7), -np.inf, 1)}, "'timeouts' is -inf at step 7; expected true or false"),
        ({"observations": np.array([["a"]] * 12, dtype="S1")}, "'observations' is of dtype |S1; expected numbers"),
    ],
)
def test_arrays_that_are_missing_or_do_not_fit_are_named(tmp_path: Path, arrays: dict[str, Any], expected: str) -> None:
    path = _write(tmp_path / "a.hdf5", **arrays)
    assert _refusal(path) == f"{path}: {expected}"


@pytest.mark.parametrize("timeouts", [None, np.zeros(0, bool)])
def test_a_file_without_steps_is_refused(tmp_path: Path, timeouts: Any) -> None:  # noqa: ANN401
    path = _write(tmp_path / "a.hdf5", 0, timeouts=timeouts)
    assert _refusal(path) == f"{path}: has no steps"


def test_what_is_beyond_float32_is_refused_with_its_place_by_the_check_of_the_episodes(tmp_path: Path) -> None:
    rewards = np.where(_flags(12, 9), 1e300, 0.0)
    episodes = _open(_write(tmp_path / "a.hdf5", rewards=rewards, timeouts=_flags(12, 5))).episodes()
    with pytest.raises(DataError, match=r"^episode 1, step 3: rewards is inf \(1 non-finite value in this episode\)$"):
        check_episodes(episodes)


def test_a_saved_recipe_finds_its_file_from_any_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, builtin_registry: Registry
) -> None:
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path)
    _write(Path("data.hdf5"))
    Path("recipe.yaml").write_text("name: x\ndata: {kind: d4rl_hdf5, path: data.hdf5}\n")
    Path("elsewhere/saved.yaml").write_text(dump(load("recipe.yaml", builtin_registry)))
    monkeypatch.chdir("elsewhere")
    saved = load("saved.yaml", builtin_registry)
    assert saved.data == D4rlHdf5Config(path=str(tmp_path / "data.hdf5"))
    assert len(saved.data.build(seed=0, progress=_Silence()).episodes()) == 1


def test_a_path_in_nobodys_home_is_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(DataError) as refusal:
        D4rlHdf5Config(path="~nobody-at-all/a.hdf5").build(seed=0, progress=_Silence())
    assert str(refusal.value) == f"{tmp_path}/~nobody-at-all/a.hdf5: no such file"
