"""Hindsight relabelling: what an episode did was the right thing for the places it came to."""

from __future__ import annotations

from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING, final

import numpy as np

from ttf.interfaces.data import DataSource, Episode
from ttf.maze import RADIUS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from ttf.interfaces.data import EnvironmentSpec, Provenance
    from ttf.interfaces.policy import Policy
    from ttf.observations import ObservationRule
    from ttf_plugins.pointmaze_waypoints.waypoints import Columns


@final
class HindsightSource(DataSource):
    """Recorded episodes, and after them some copies of each with other goals (Andrychowicz et al. 2017).

    A copy's goal is where its episode was at a random later step; it ends, with the reward, at the first step
    within the radius of that goal, exactly as the environment would have ended it.
    """

    def __init__(self, recorded: DataSource, columns: Columns, copies: int, seed: int) -> None:
        self._recorded, self._columns = recorded, columns
        self._copies, self._seed = copies, seed

    @cached_property
    def _episodes(self) -> list[Episode]:
        random = np.random.default_rng(self._seed)
        recorded = list(self._recorded.episodes())
        copies = [relabelled(episode, self._columns, random) for _ in range(self._copies) for episode in recorded]
        return recorded + [copy for copy in copies if copy is not None]

    def episodes(self) -> Sequence[Episode]:
        """The recorded episodes, then the copies."""
        return self._episodes

    @property
    def provenance(self) -> Provenance:
        """That of the recorded episodes, with a word about the copies."""
        recorded = self._recorded.provenance
        made = len(self._episodes) - len(self._recorded.episodes())
        return replace(recorded, details={**recorded.details, "hindsight copies": str(made)})

    @property
    def environment(self) -> EnvironmentSpec | None:
        """Where the episodes were recorded."""
        return self._recorded.environment

    @property
    def rule(self) -> ObservationRule:
        """How observations are flattened."""
        return self._recorded.rule

    def behaviour(self) -> Policy | None:
        """The policy that made the recorded episodes."""
        return self._recorded.behaviour()


def relabelled(episode: Episode, columns: Columns, random: np.random.Generator) -> Episode | None:
    """A copy of an episode whose goal is a place it came to; None if it came there within a single step."""
    if episode.final_observation is None:
        return None
    seen = np.vstack([episode.observations, episode.final_observation])  # (T + 1, O)
    goal = seen[random.integers(1, len(seen)), list(columns.position)]
    end = _arrival(seen[:, list(columns.position)], goal)
    if end < 2:
        return None
    seen = seen[: end + 1].copy()
    seen[:, list(columns.goal)] = goal
    rewards = np.zeros(end, dtype=np.float32)
    rewards[-1] = 1.0
    return Episode(seen[:-1], episode.actions[:end], rewards, terminated=True, final_observation=seen[-1])


def _arrival(positions: NDArray[np.float32], goal: NDArray[np.float32]) -> int:
    """The first step after which positions (T + 1, 2) are within the radius of a goal that is one of them."""
    distances = np.linalg.norm(positions[1:].astype(np.float64) - goal, axis=1)
    return 1 + int(np.argmax(distances <= RADIUS))
