"""What is checked: the usable episodes of a data set, their rows, and the environment that they come from."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from ttf.episodes import Rows
    from ttf.interfaces.data import Episode
    from ttf.recipe import Recipe


@dataclass(frozen=True)
class Setting:
    """The environment that data comes from, as far as data is compared with it."""

    id: str
    low: NDArray[np.float32]
    """(A,): bounds of the actions, perhaps infinite."""

    high: NDArray[np.float32]
    step_limit: int | None


@dataclass(frozen=True)
class Subject:
    """Episodes that can be read, with everything that they are compared with."""

    recipe: Recipe
    episodes: Sequence[Episode]
    numbers: Sequence[int]
    """Number of each episode in the data set."""

    setting: Setting | None
    """None where there is no environment, or it does not fit."""

    rows: Rows | None
    """Rows of the episodes that are trained on; None if none can be made."""

    @cached_property
    def lengths(self) -> NDArray[np.int64]:
        """Steps of the episodes (E,)."""
        return np.array([len(episode) for episode in self.episodes])

    @cached_property
    def terminated(self) -> NDArray[np.bool_]:
        """Whether the environment ended each (E,)."""
        return np.array([episode.terminated for episode in self.episodes])

    @cached_property
    def actions(self) -> NDArray[np.float32]:
        """All recorded actions (N, A)."""
        return np.concatenate([episode.actions for episode in self.episodes])

    @cached_property
    def deviations(self) -> NDArray[np.float64]:
        """Standard deviations of the recorded observations (O,)."""
        deviations: NDArray[np.float64] = np.concatenate([episode.observations for episode in self.episodes]).std(
            axis=0, dtype=np.float64
        )
        return deviations
