"""The trajectories of evaluation episodes, and the plans made on the way."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load_file

from ttf.errors import DataError

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    Array = NDArray[np.float32]

_KEY = re.compile(r"(?P<policy>.+)/(?P<episode>\d+)/(observations|plan/(?P<step>\d+))", re.DOTALL)


@dataclass(frozen=True)
class Trajectory:
    """One evaluation episode of T steps."""

    policy: str
    episode: int

    observations: Array
    """(T + 1, O)"""

    plans: dict[int, Array] = field(default_factory=dict)
    """Planned observations (H, O) from the step on that is the key."""

    def some_plans(self, count: int) -> list[tuple[int, Array]]:
        """At most ``count`` plans, evenly spread over the episode."""
        every = sorted(self.plans.items())
        stride = -(-len(every) // count)
        return every[:: max(stride, 1)]


def read_trajectories(file: Path) -> list[Trajectory]:
    """The trajectories of a run, by policy and episode; none if the file is absent.

    Raises:
        DataError: the file is not safetensors, or an array is not (time, dimension).
    """
    found: dict[tuple[str, int], Trajectory] = {}
    for key, array in sorted(_load(file).items()):  # observations sort before the plans of the same episode
        if match := _KEY.fullmatch(key):
            _check_shape(file, key, array)
            _place(found, match, array)
    return sorted(found.values(), key=lambda item: (item.policy, item.episode))


def _load(file: Path) -> dict[str, Array]:
    try:
        return load_file(file) if file.exists() else {}
    except (SafetensorError, KeyError, ValueError) as error:
        message = f"{file.name}: not readable as safetensors: {error}"
        raise DataError(message) from error


def _check_shape(file: Path, key: str, array: Array) -> None:
    if array.ndim != 2 or len(array) == 0:
        message = f"{file.name}: {key}: shape {array.shape}; expected (time, dimension)"
        raise DataError(message)


def _place(found: dict[tuple[str, int], Trajectory], match: re.Match[str], array: Array) -> None:
    episode = match["policy"], int(match["episode"])
    if match["step"] is None:
        found[episode] = Trajectory(*episode, array)
    elif episode in found and array.shape[1] == found[episode].observations.shape[1]:
        expected = array[~np.isnan(array).any(axis=1)]  # without what is past the end
        if len(expected) > 0:
            found[episode].plans[int(match["step"])] = expected
