"""The checker of the data-source contract."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

import numpy as np

from ttf.episode_checks import check_episodes
from ttf.errors import DataError
from ttf.testing.configuration import check_configuration
from ttf.testing.policy import check_policy, scenes_of
from ttf.testing.quiet import Quiet
from ttf.testing.requirement import require
from ttf.testing.untouched import untouched

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from ttf.component import DataConfig
    from ttf.interfaces.data import DataSource, Episode


def check_data_source(config: DataConfig, *, seed: int = 0) -> None:
    """Check everything the contract says of a data source.

    Args:
        config: the component, of data that is there or can be made: a dozen episodes do.
        seed: what ``build`` is given.

    Raises:
        AssertionError: the contract is broken; the message says how.
        DataError: the data set is missing or cannot be made.
    """
    check_configuration(config)
    source, episodes = _opened(config, seed, others=1)
    _check_episodes(episodes)
    _check_same(episodes, source.episodes(), "called again, episodes returned others; read or make them once")
    again, repeated = _opened(config, seed, others=2)
    _check_same(episodes, repeated, "built again with the same seed, the episodes differ; draw from that seed only")
    same = source.provenance == again.provenance
    require(same, "built again with the same seed, the provenance differs; leave out times and places")
    _check_origin(source, episodes)
    _check_kept_dimensions(config, seed, episodes)
    behaviour = source.behaviour()
    if behaviour is not None:
        check_policy(behaviour, scenes_of(episodes), episodes[0].actions.shape[1], "behaviour")


def _opened(config: DataConfig, seed: int, others: int) -> tuple[DataSource, Sequence[Episode]]:
    """A source and its episodes, made while the global generators follow from a seed."""
    with untouched("building the data source", seed=others):
        source = config.build(seed=seed, progress=Quiet())
    with untouched("reading episodes", seed=others):
        return source, source.episodes()


def _arrays(episode: Episode) -> dict[str, NDArray[np.float32]]:
    arrays = {"observations": episode.observations, "actions": episode.actions, "rewards": episode.rewards}
    return arrays | ({} if episode.final_observation is None else {"final_observation": episode.final_observation})


def _check_episodes(episodes: Sequence[Episode]) -> None:
    """They are what core takes, in float32."""
    try:
        check_episodes(episodes)
    except DataError as error:
        message = f"{error}; refuse such data with a DataError, or leave out what cannot be learned from"
        raise AssertionError(message) from error
    for index, episode in enumerate(episodes):
        for name, values in _arrays(episode).items():
            require(values.dtype == np.float32, f"episode {index}: {name} are {values.dtype}; expected float32")
        flag = type(episode.terminated)
        require(flag is bool, f"episode {index}: terminated is of {flag}; expected bool, which JSON holds")


def _check_same(expected: Sequence[Episode], found: Sequence[Episode], message: str) -> None:
    require(len(found) == len(expected), message)
    for one, other in zip(expected, found, strict=True):
        arrays, others = _arrays(one), _arrays(other)
        same = arrays.keys() == others.keys() and one.terminated == other.terminated
        require(same and all(np.array_equal(arrays[name], others[name]) for name in arrays), message)


def _check_origin(source: DataSource, episodes: Sequence[Episode]) -> None:
    """Provenance, environment and rule are plain data that can be saved, and fit the episodes."""
    provenance, spec, rule = source.provenance, source.environment, source.rule
    require(provenance.id, "provenance.id is empty; name the data set")
    require(
        re.fullmatch("[0-9a-f]{64}", provenance.sha256) is not None,
        f"provenance.sha256 is {provenance.sha256!r}; expected 64 hexadecimal digits, as ttf.episode_hash gives",
    )
    words = all(isinstance(text, str) for item in provenance.details.items() for text in item)
    require(words, "provenance.details must map text to text")
    if spec is not None:
        try:
            plain = json.loads(json.dumps(dict(spec.options))) == dict(spec.options)
        except (TypeError, ValueError):
            plain = False
        require(plain, f"environment.options are {dict(spec.options)!r}; expected plain data, such as JSON holds")
    width = episodes[0].observations.shape[1]
    kept = width if rule.dims is None else len(rule.dims)
    require(kept == width, f"rule.dims keeps {kept} dimensions, but observations have {width}; they must agree")


def _check_kept_dimensions(config: DataConfig, seed: int, episodes: Sequence[Episode]) -> None:
    """``observation_dims`` keeps these dimensions, in this order."""
    if config.observation_dims is not None:
        return
    dims = [episodes[0].observations.shape[1] - 1, *([0] if episodes[0].observations.shape[1] > 1 else [])]
    try:
        source, fewer = _opened(config.model_copy(update={"observation_dims": dims}), seed, others=1)
    except DataError:  # it needs the other ones
        return
    kept = len(fewer) == len(episodes) and all(
        np.array_equal(one.observations[:, dims], other.observations)
        for one, other in zip(episodes, fewer, strict=True)
    )
    require(kept, f"observation_dims {dims} does not keep these dimensions of the observations, in this order")
    require(source.rule.dims == tuple(dims), f"observation_dims is {dims}, but rule.dims {source.rule.dims}")
