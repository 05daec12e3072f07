"""The trajectories of evaluation episodes, and the plans made on the way, as a run folder keeps them."""

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

_KEY = re.compile(r"(?P<policy>.+)/(?P<episode>\d+)/(?P<what>observations|actions|plan/(?P<step>\d+))", re.DOTALL)


@dataclass
class Trajectory:
    """One evaluation episode of T steps."""

    policy: str
    episode: int

    observations: Array
    """(T + 1, O)"""

    plans: dict[int, Array] = field(default_factory=dict)
    """Planned observations (H, O) from the step on that is the key."""

    actions: Array | None = None
    """(T, A): what was done; None in runs of earlier versions."""

    @property
    def looks_ahead(self) -> bool:
        """Whether a plan goes on from where it was made; one of a single transition does not."""
        return any(len(plan) > 1 for plan in self.plans.values())

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
    arrays = {match: array for key, array in sorted(_load(file).items()) if (match := _KEY.fullmatch(key))}
    for match, array in arrays.items():
        _check_shape(file, match[0], array)
    found = {
        _episode(match): Trajectory(*_episode(match), array)
        for match, array in arrays.items()
        if match["what"] == "observations"
    }
    for match, array in arrays.items():
        if (trajectory := found.get(_episode(match))) is not None:
            _add(trajectory, match, array)
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


def _episode(match: re.Match[str]) -> tuple[str, int]:
    return match["policy"], int(match["episode"])


def _add(trajectory: Trajectory, match: re.Match[str], array: Array) -> None:
    """Add actions that are as many as steps, or a plan of the same width."""
    if match["what"] == "actions" and len(array) == len(trajectory.observations) - 1:
        trajectory.actions = array
    elif match["step"] is not None and array.shape[1] == trajectory.observations.shape[1]:
        expected = array[~np.isnan(array).any(axis=1)]  # without what is past the end
        if len(expected) > 0:
            trajectory.plans[int(match["step"])] = expected
