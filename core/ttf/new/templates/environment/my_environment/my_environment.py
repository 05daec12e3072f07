"""Points on a line, many at once."""

from __future__ import annotations

from typing import TYPE_CHECKING, final

import numpy as np
from ttf.interfaces.environment import Environment, FloorPlan, Session, Transition

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray
    from ttf.observations import ObservationRule


@final
class Points(Session):
    """A batch of points, of which each episode follows from its seed and its actions."""

    def __init__(self, limit: int, rule: ObservationRule) -> None:
        self._limit, self._rule = limit, rule
        self._places, self._speeds = np.zeros(0), np.zeros(0)
        self._steps = 0

    def reset(self, seeds: Sequence[int]) -> NDArray[np.float32]:
        """Start an episode per seed; observations (B, O)."""
        self._places = np.array([np.random.default_rng(seed).uniform(-1, 1) for seed in seeds])
        self._speeds = np.zeros(len(seeds))
        self._steps = 0
        return self._observed()

    def step(self, actions: NDArray[np.float32]) -> Transition:
        """Push the points with actions (B, 1)."""
        rewards = -np.abs(self._places)
        self._speeds = 0.9 * self._speeds + 0.1 * actions[:, 0].clip(-1, 1)
        self._places = self._places + self._speeds
        self._steps += 1
        never = np.zeros(len(actions), dtype=np.bool_)
        late = np.full(len(actions), self._steps >= self._limit)
        return Transition(self._observed(), rewards.astype(np.float32), never, late, never)

    def keep(self, rows: NDArray[np.int64]) -> None:
        """Go on with these points only."""
        self._places, self._speeds = self._places[rows], self._speeds[rows]

    def close(self) -> None:
        """Nothing is held."""

    def _observed(self) -> NDArray[np.float32]:
        """Place and speed (B, 2), or those of the two that are kept."""
        return self._rule.flatten(np.stack([self._places, self._speeds], axis=1))


@final
class MyEnvironment(Environment):
    """A point on a line."""

    def __init__(self, limit: int, rule: ObservationRule) -> None:
        self._limit, self._rule = limit, rule
        self.id = "my_environment"
        self.observation_width = 2 if rule.dims is None else len(rule.dims)
        self.action_low, self.action_high = np.array([-1], np.float32), np.array([1], np.float32)
        self.step_limit = limit
        self.reports_success = False

    def session(self, batch: int) -> Session:  # noqa: ARG002  (reset knows how many)
        """Make points."""
        return Points(self._limit, self._rule)

    def close(self) -> None:
        """Nothing is held."""

    def floor_plan(self) -> FloorPlan | None:
        """A line has no floor."""
        return None
