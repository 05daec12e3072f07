"""Read data sets of the local Minari store."""

from __future__ import annotations

import json
import re
from difflib import get_close_matches
from functools import cached_property
from typing import TYPE_CHECKING, Any, final

import minari
import numpy as np
from minari.dataset.minari_storage import MinariStorage
from minari.storage import get_dataset_path

from ttf.episode_hash import content_hash
from ttf.errors import DataError, reason
from ttf.fixed_goal import FixedGoal
from ttf.interfaces.data import DataSource, EnvironmentSpec, Episode, Provenance
from ttf.registered import plain_options
from ttf.spaces import action_width, observation_width

if TYPE_CHECKING:
    from collections.abc import Mapping

    from minari.dataset.episode_data import EpisodeData
    from numpy.typing import NDArray

    from ttf.interfaces.policy import Policy
    from ttf.observations import ObservationRule

_ID = re.compile(r"([A-Za-z0-9_-]+/)*[A-Za-z0-9_-]+-v[0-9]{1,9}")  # as data.dataset may be


@final
class MinariSource(DataSource):
    """A data set of the local Minari store, flattened by a rule.

    Raises:
        DataError: it is not there, is damaged, or does not fit the rule.
    """

    def __init__(
        self,
        dataset_id: str,
        rule: ObservationRule,
        behaviour: Policy | None = None,
        details: Mapping[str, str] | None = None,
    ) -> None:
        self._dataset = open_dataset(dataset_id)
        try:
            observation_width(rule, self._dataset.observation_space)
            action_width(self._dataset.action_space)
        except DataError as error:
            message = f"Minari data set {dataset_id!r}: {error}"
            raise DataError(message) from None
        self._id = dataset_id
        self._rule = rule
        self._behaviour = behaviour
        self._details = details or {}

    @cached_property
    def _episodes(self) -> list[Episode]:
        try:
            return [_episode(recorded, self._rule) for recorded in self._dataset]
        except (OSError, KeyError, ValueError, TypeError, IndexError) as error:
            message = f"Minari data set {self._id!r}: cannot be read: {reason(error)}"
            raise DataError(message) from error

    def episodes(self) -> list[Episode]:
        """All episodes, read once."""
        return self._episodes

    @cached_property
    def _provenance(self) -> Provenance:
        metadata = self._dataset.storage.metadata
        details = {
            "minari": str(metadata["minari_version"]),
            "episodes": str(self._dataset.total_episodes),
            "steps": str(self._dataset.total_steps),
            "author": ", ".join(sorted(metadata.get("author", ()))) or "unknown",
            "algorithm": str(metadata.get("algorithm_name", "unknown")),
        }
        return Provenance(self._id, content_hash(self._episodes), {**details, **self._details})

    @property
    def provenance(self) -> Provenance:
        """Id, hash and origin of the data set."""
        return self._provenance

    @property
    def environment(self) -> EnvironmentSpec | None:
        """The environment meant for evaluation, else the recorded one; only its id and plain options."""
        metadata = self._dataset.storage.metadata
        text = metadata.get("eval_env_spec") or metadata.get("env_spec")
        if text is None:
            return None
        spec = json.loads(text)  # its entry point and wrappers are code that somebody else chose: never run
        options = dict(spec.get("kwargs") or {})
        if spec.get("max_episode_steps") is not None:
            options["max_episode_steps"] = spec["max_episode_steps"]
        for wrapper in spec.get("additional_wrappers") or ():
            if wrapper.get("name") == FixedGoal.__name__:
                options |= wrapper.get("kwargs") or {}
        return EnvironmentSpec(spec["id"], plain_options(spec["id"], options))

    @property
    def rule(self) -> ObservationRule:
        """How observations are flattened."""
        return self._rule

    def behaviour(self) -> Policy | None:
        """The policy that made the data; None unless whoever opened the data set knows it."""
        return self._behaviour


def check_id(dataset_id: str) -> None:
    """Look whether Minari and recipes can call a data set so.

    Raises:
        DataError: they cannot.
    """
    if not _ID.fullmatch(dataset_id):
        words = "words of letters, digits, '_' and '-' with a version at the end, such as mine/pendulum-v0"
        message = f"data set id {dataset_id!r} must be {words}"
        raise DataError(message)


def exists(dataset_id: str) -> bool:
    """Whether the local store has the data set."""
    return bool((get_dataset_path(dataset_id) / "data").exists())


def require_dataset(dataset_id: str) -> None:
    """Look whether the local store has a data set.

    Raises:
        DataError: it has not; the message names those that are nearest.
    """
    if not exists(dataset_id):
        path = get_dataset_path(dataset_id)
        message = f"Minari data set {dataset_id!r} is not in the local store ({path}){_nearest(dataset_id)}; "
        message += "to download it, set data.download to true"
        raise DataError(message)


def open_dataset(dataset_id: str) -> minari.MinariDataset:
    """Open a data set of the local store, without any attempt to reach the network.

    Raises:
        DataError: it is not there, or not a data set of this version of Minari.
    """
    require_dataset(dataset_id)
    path = get_dataset_path(dataset_id)
    try:
        metadata = MinariStorage.read_raw_metadata(path / "data")
        # Without them, Minari would make the environment that the file names, by running whatever it names.
        missing = [key for key in ("observation_space", "action_space") if key not in metadata]
        if missing:
            message = f"Minari data set {dataset_id!r} ({path}): its metadata has no {missing[0]}"
            raise DataError(message)
        return minari.load_dataset(dataset_id)
    except (OSError, KeyError, ValueError, TypeError, AssertionError, ImportError) as error:
        message = f"Minari data set {dataset_id!r} ({path}): cannot be opened: {reason(error)}"
        raise DataError(message) from error


def local_ids() -> list[str]:
    """Ids of the data sets of the local store; folders whose names are no ids are passed over."""
    store = get_dataset_path()
    found = (path.parent.relative_to(store).as_posix() for path in store.glob("**/data"))
    return sorted(name for name in found if _ID.fullmatch(name))


def _nearest(dataset_id: str) -> str:
    known = local_ids()
    if not known:
        return ", which is empty"
    close = get_close_matches(dataset_id, known, n=3, cutoff=0.3) or known[:3]
    return f"; nearest of the {len(known)} there: {', '.join(close)}"


def _episode(recorded: EpisodeData, rule: ObservationRule) -> Episode:
    """Flatten what was recorded; one observation more than steps is the final one."""
    observations = rule.flatten(recorded.observations)
    rewards = _float32(recorded.rewards)
    final = observations[-1] if len(observations) == len(rewards) + 1 else None
    return Episode(
        observations=observations if final is None else observations[:-1],
        actions=_float32(recorded.actions),
        rewards=rewards,
        terminated=bool(np.any(recorded.terminations[-1:])),
        final_observation=final,
    )


def _float32(values: Any) -> NDArray[np.float32]:  # noqa: ANN401  (whatever the file holds)
    with np.errstate(over="ignore"):  # what is beyond float32 is infinite, and refused as such with its episode
        return np.ascontiguousarray(values, dtype=np.float32)
