"""Check recorded episodes before anything is made of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ttf.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from ttf.interfaces.data import Episode

#: A window holds two steps at least: one to act in and one to see what came of it.
_SHORTEST = 2


def check_episodes(episodes: Sequence[Episode]) -> tuple[int, int]:
    """Widths of observation and action, once everything about the episodes is in order.

    Raises:
        DataError: there are no episodes; one is too short; its fields disagree in length or type; its widths
            differ from the first one's; a value is not finite. The message names episode, step and field.
    """
    if not episodes:
        message = "the data set has no episodes"
        raise DataError(message)
    for index, episode in enumerate(episodes):
        for field, values in _fields(episode):
            _check_type(index, field, values)
        _check_length(index, episode)
        _check_widths(index, episode, episodes[0])
        _check_finite(index, episode)
    return episodes[0].observations.shape[1], episodes[0].actions.shape[1]


def _fields(episode: Episode) -> Iterator[tuple[str, NDArray[np.float32]]]:
    yield "observations", episode.observations
    yield "actions", episode.actions
    yield "rewards", episode.rewards
    if episode.final_observation is not None:
        yield "final_observation", episode.final_observation


def _check_type(index: int, field: str, values: NDArray[np.float32]) -> None:
    axes = 2 if field in ("observations", "actions") else 1
    if values.dtype.kind not in "fiub":
        message = f"episode {index}: {field} are of dtype {values.dtype}; expected numbers"
    elif values.ndim != axes:
        message = f"episode {index}: {field} have shape {values.shape}; expected {axes} axes"
    elif axes == 2 and values.shape[1] == 0:
        message = f"episode {index}: {field} have no dimensions"
    else:
        return
    raise DataError(message)


def _check_length(index: int, episode: Episode) -> None:
    steps = len(episode.rewards)
    for field, values in (("observations", episode.observations), ("actions", episode.actions)):
        if len(values) != steps:
            message = f"episode {index}: {len(values)} {field} but {steps} rewards"
            raise DataError(message)
    if steps < _SHORTEST:
        name = "is empty" if steps == 0 else "has one step only"
        message = f"episode {index}: {name}; an episode needs {_SHORTEST} steps to yield a training window"
        raise DataError(message)


def _check_widths(index: int, episode: Episode, first: Episode) -> None:
    for field, found, expected in (
        ("observations", episode.observations.shape[1], first.observations.shape[1]),
        ("actions", episode.actions.shape[1], first.actions.shape[1]),
    ):
        if found != expected:
            message = f"episode {index}: {field} have {found} dimensions, those of episode 0 have {expected}"
            raise DataError(message)
    final = episode.final_observation
    if final is not None and final.shape != episode.observations.shape[1:]:
        width = episode.observations.shape[1]
        message = f"episode {index}: final_observation has {len(final)} dimensions, observations have {width}"
        raise DataError(message)


def _check_finite(index: int, episode: Episode) -> None:
    bad = {field: np.argwhere(~np.isfinite(values)) for field, values in _fields(episode)}
    count = sum(len(positions) for positions in bad.values())
    for field, values in _fields(episode) if count else ():
        if len(bad[field]):
            position = bad[field][0].tolist()
            step, column = _place(field, position)
            values_bad = "1 non-finite value" if count == 1 else f"{count} non-finite values"
            message = f"episode {index}{step}: {field}{column} is {values[*position]} ({values_bad} in this episode)"
            raise DataError(message)


def _place(field: str, position: list[int]) -> tuple[str, str]:
    """Where a value stands, as `, step 17` and `[2]`."""
    if field == "final_observation":
        return "", f"[{position[0]}]"
    return f", step {position[0]}", "".join(f"[{part}]" for part in position[1:])
