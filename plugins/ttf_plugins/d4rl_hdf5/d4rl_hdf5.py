"""Files in D4RL's form: all steps one after the other, with flags where episodes end."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, final

import h5py
import numpy as np

from ttf.episode_hash import content_hash
from ttf.errors import DataError, did_you_mean
from ttf.interfaces.data import DataSource, EnvironmentSpec, Episode, Provenance
from ttf.observations import ObservationRule

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ttf_plugins.d4rl_hdf5 import D4rlHdf5Config


@final
@dataclass(frozen=True)
class D4rlSource(DataSource):
    """The episodes of a file."""

    recorded: list[Episode]
    origin: Provenance
    place: EnvironmentSpec | None
    observation: ObservationRule

    def episodes(self) -> list[Episode]:
        """All episodes, in the order of the file."""
        return self.recorded

    @property
    def provenance(self) -> Provenance:
        """File name and hash."""
        return self.origin

    @property
    def environment(self) -> EnvironmentSpec | None:
        """The environment that the recipe names for the file."""
        return self.place

    @property
    def rule(self) -> ObservationRule:
        """How the environment's observations become the file's vectors."""
        return self.observation

    def behaviour(self) -> None:
        """The files do not hold policies."""


def open_source(config: D4rlHdf5Config) -> D4rlSource:
    """Read a file and split it into episodes.

    Raises:
        DataError: the file is not there, is not HDF5, is empty, or lacks something.
    """
    path = Path(config.path)
    steps = _read(path, append_goal=config.append_goal)
    if not len(steps.rewards):
        message = f"{path}: has no steps"
        raise DataError(message)
    if steps.timeouts is None and config.max_episode_steps is None:
        message = f"{path}: has no 'timeouts', so that episodes cannot be told apart; set data.max_episode_steps"
        raise DataError(message)
    dims = tuple(config.observation_dims) if config.observation_dims is not None else None
    columns = _kept(path, steps, dims)
    pieces = _pieces(steps, config.max_episode_steps)
    episodes = [_episode(steps, start, stop, columns) for start, stop in pieces]
    keys = tuple(config.observation_keys) if config.observation_keys is not None else None
    return D4rlSource(
        episodes,
        Provenance(path.name, content_hash(episodes), {"file": path.name, "steps": str(len(steps.rewards))}),
        EnvironmentSpec(config.environment) if config.environment is not None else None,
        ObservationRule(keys, dims),
    )


@dataclass(frozen=True)
class _Steps:
    """The N steps of a file."""

    observations: NDArray[np.float32]  # (N, O)
    actions: NDArray[np.float32]  # (N, A)
    rewards: NDArray[np.float32]  # (N,)
    terminals: NDArray[np.bool_]  # (N,)
    timeouts: NDArray[np.bool_] | None  # (N,)
    goals: NDArray[np.float32] | None  # (N, G), a part of the observations too


def require_file(path: Path) -> None:
    """Look whether a file is there.

    Raises:
        DataError: it is not.
    """
    if not path.is_file():
        message = f"{path}: no such file"
        raise DataError(message)


def _read(path: Path, *, append_goal: bool) -> _Steps:
    require_file(path)
    try:
        with h5py.File(path, "r") as file:
            return _steps(path, file, append_goal=append_goal)
    except OSError as error:
        message = f"{path}: cannot be read as HDF5: {str(error).splitlines()[0]}"
        raise DataError(message) from error


def _steps(path: Path, file: h5py.File, *, append_goal: bool) -> _Steps:
    observations = _array(path, file, "observations", 2)
    goals = _array(path, file, "infos/goal", 2) if append_goal else None
    return _Steps(
        observations=observations if goals is None else np.concatenate((observations, goals), axis=1),
        actions=_array(path, file, "actions", 2),
        rewards=_array(path, file, "rewards", 1),
        terminals=_flags(path, file, "terminals"),
        timeouts=_flags(path, file, "timeouts") if "timeouts" in file else None,
        goals=goals,
    )


def _array(path: Path, file: h5py.File, key: str, axes: int) -> NDArray[np.float32]:
    """An array of the file, as long as its rewards."""
    for name in (key, "rewards"):
        if not isinstance(file.get(name), h5py.Dataset):
            message = f"{path}: has no {name!r}{did_you_mean(name, file.keys())}"
            raise DataError(message)
    if file[key].dtype.kind not in "fiub":
        message = f"{path}: {key!r} is of dtype {file[key].dtype}; expected numbers"
        raise DataError(message)
    with np.errstate(over="ignore"):  # what is beyond float32 is infinite, and refused as such with its episode
        values: NDArray[np.float32] = np.asarray(file[key][()], dtype=np.float32)
    if axes == 1 and values.ndim == 2 and values.shape[1] == 1:
        values = values[:, 0]
    if values.ndim != axes or len(values) != len(file["rewards"]):
        message = f"{path}: {key!r} has shape {values.shape}, with {len(file['rewards'])} rewards"
        raise DataError(message)
    return values


def _flags(path: Path, file: h5py.File, key: str) -> NDArray[np.bool_]:
    """An array of the file that says true or false of every step."""
    values = _array(path, file, key, 1)
    for step in np.flatnonzero(~np.isfinite(values))[:1]:
        message = f"{path}: {key!r} is {values[step]} at step {step}; expected true or false"
        raise DataError(message)
    return values.astype(np.bool_)


def _pieces(steps: _Steps, longest: int | None) -> list[tuple[int, int]]:
    """Start and stop of every episode: up to a terminal, a timeout, a change of goal, the limit or the file's end.

    A single step that only a change of goal or the file's end has cut off is left out: nothing follows from it.
    """
    count = len(steps.rewards)
    ends = steps.terminals if steps.timeouts is None else steps.terminals | steps.timeouts
    cuts = ends.copy()
    if steps.goals is not None:
        cuts[:-1] |= (steps.goals[1:] != steps.goals[:-1]).any(axis=1)
    pieces, start = [], 0
    for stop in [*(np.flatnonzero(cuts) + 1).tolist(), count]:
        pieces += [(at, min(at + (longest or count), stop)) for at in range(start, stop, longest or count)]
        start = stop
    return [(start, stop) for start, stop in pieces if stop - start > 1 or ends[start]]


def _kept(path: Path, steps: _Steps, dims: tuple[int, ...] | None) -> slice | list[int]:
    """Columns of the observations to keep."""
    width = steps.observations.shape[1]
    if dims is not None and max(dims) >= width:
        message = f"{path}: observation_dims: {max(dims)} is out of range; an observation has {width} dimensions"
        raise DataError(message)
    return slice(None) if dims is None else list(dims)


def _episode(steps: _Steps, start: int, stop: int, columns: slice | list[int]) -> Episode:
    return Episode(
        observations=steps.observations[start:stop, columns],
        actions=steps.actions[start:stop],
        rewards=steps.rewards[start:stop],
        terminated=bool(steps.terminals[stop - 1]),
    )
