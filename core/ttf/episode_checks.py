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
        check_form(index, episode)
        check_length(index, episode)
        check_widths(index, episode, episodes[0])
        _check_finite(index, episode)
    return episodes[0].observations.shape[1], episodes[0].actions.shape[1]


def check_form(index: int, episode: Episode) -> None:
    """Refuse an episode whose fields are no numbers, have other axes than they should, or disagree in length.

    Raises:
        DataError: one is so.
    """
    for field, values in fields(episode):
        _check_type(index, field, values)
    steps = len(episode.rewards)
    for field, values in (("observations", episode.observations), ("actions", episode.actions)):
        if len(values) != steps:
            message = f"episode {index}: {len(values)} {field} but {steps} rewards"
            raise DataError(message)


def fields(episode: Episode) -> Iterator[tuple[str, NDArray[np.float32]]]:
    """Every array of an episode, by its name."""
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


def check_length(index: int, episode: Episode) -> None:
    """Refuse an episode that is too short.

    Raises:
        DataError: it is.
    """
    steps = len(episode.rewards)
    if steps < _SHORTEST:
        name = "is empty" if steps == 0 else "has one step only"
        message = f"episode {index}: {name}; an episode needs {_SHORTEST} steps to yield a training window"
        raise DataError(message)


def check_widths(index: int, episode: Episode, first: Episode) -> None:
    """Refuse an episode whose vectors are not as wide as the first one's.

    Raises:
        DataError: they are not.
    """
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
    bad = {field: np.argwhere(~np.isfinite(values)) for field, values in fields(episode)}
    count = sum(len(positions) for positions in bad.values())
    for field, values in fields(episode) if count else ():
        if len(bad[field]):
            position = bad[field][0].tolist()
            values_bad = "1 non-finite value" if count == 1 else f"{count} non-finite values"
            message = f"{named_value(index, field, values, position)} ({values_bad} in this episode)"
            raise DataError(message)


def named_value(index: int, field: str, values: NDArray[np.float32], position: list[int]) -> str:
    """A value with its place, as `episode 3, step 17: observations[2] is nan`."""
    step = "" if field == "final_observation" else f", step {position[0]}"
    column = "".join(f"[{part}]" for part in (position if not step else position[1:]))
    return f"episode {index}{step}: {field}{column} is {values[*position]}"
