"""Goals: which columns of an observation tell what was reached, and which tell what is to be reached."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import torch

from ttf.errors import DataError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from torch import Tensor

    from ttf.interfaces.data import Episode
    from ttf.interfaces.discretizer import Discretizer
    from ttf.section import GoalConfig


@dataclass(frozen=True)
class GoalColumns:
    """How observations (..., O) of the data and the environment are taken apart.

    Raises:
        DataError: a column is beyond the observation.
    """

    config: GoalConfig
    width: int
    """O, the goal included."""

    def __post_init__(self) -> None:
        for name in ("achieved", "desired"):
            for column in getattr(self.config, name):
                if column >= self.width:
                    message = f"data.goal.{name}: {column} is out of range; an observation has {self.width} dimensions"
                    raise DataError(message)

    @cached_property
    def seen(self) -> list[int]:
        """Columns of the transitions' observation."""
        return [column for column in range(self.width) if column not in self.config.desired]

    @cached_property
    def columns(self) -> tuple[int, ...]:
        """Which of those the goal is about."""
        return tuple(self.seen.index(column) for column in self.config.achieved)

    def reached(self, episode: Episode) -> NDArray[np.float32]:
        """The goal (G,) that an episode was right for: where it ended, or what it was told to reach.

        Raises:
            DataError: what it was told to reach is none, as it changes.
        """
        last = episode.final_observation if episode.final_observation is not None else episode.observations[-1]
        self._check_desired(episode)
        return last[self.config.achieved if self.config.learned == "achieved" else self.config.desired]

    def _check_desired(self, episode: Episode) -> None:
        """Where goals are learned from, they stay; elsewhere an environment may set another when one is reached."""
        desired = episode.observations[:, self.config.desired]
        changes = int((desired[1:] != desired[:-1]).any(axis=1).sum())
        if changes > (len(desired) // 2 if self.config.learned == "achieved" else 0):
            message = (
                f"data.goal.desired: dimensions {self.config.desired} change {changes} times in the {len(desired)} "
                "steps of an episode; a goal stays"
            )
            raise DataError(message)

    def wanted(self, observations: NDArray[np.float32]) -> NDArray[np.float32]:
        """What is to be reached (B, G), from observations (B, O)."""
        return observations[:, self.config.desired]


def encode_goal(discretizer: Discretizer, goals: Tensor) -> Tensor:
    """Goal tokens (B, G) of goals (B, G), by the bins of the columns that they are about."""
    columns = discretizer.layout.goal_columns
    tokens = [discretizer.encode(goals[:, i : i + 1], column) for i, column in enumerate(columns)]
    return torch.cat([goals.new_zeros(len(goals), 0, dtype=torch.int64), *tokens], dim=1)
