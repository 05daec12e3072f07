"""Act as the nearest neighbour in the data."""

from __future__ import annotations

from typing import TYPE_CHECKING, final

import numpy as np
from ttf.interfaces.policy import Actor, Policy

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from ttf.interfaces.data import DataSource
    from ttf.interfaces.environment import Environment


def make_policy(source: DataSource, environment: Environment, steps: int) -> Policy:
    """A policy that knows the first steps of the data; its actions are clipped to the environment's bounds."""
    episodes = source.episodes()
    observations = np.concatenate([episode.observations for episode in episodes])[:steps]
    actions = np.concatenate([episode.actions for episode in episodes])[:steps]
    return MyBaselines(observations, actions.clip(environment.action_low, environment.action_high))


@final
class MyBaselines(Policy):
    """Looks up observations (N, O), each dimension scaled to deviation 1, and their actions (N, A)."""

    def __init__(self, observations: NDArray[np.float32], actions: NDArray[np.float32]) -> None:
        self._scale = observations.std(axis=0).clip(min=1e-6)
        self._known = observations / self._scale
        self._actions = actions

    def start(self, batch: int, seed: int) -> Actor:  # noqa: ARG002  (nothing is random, rows are all alike)
        """An actor."""
        return Neighbour(self)

    def action(self, observation: NDArray[np.float32]) -> NDArray[np.float32]:
        """The action (A,) of the observation nearest to one (O,)."""
        distances = np.square(self._known - observation / self._scale).sum(axis=1)
        chosen: NDArray[np.float32] = self._actions[distances.argmin()]
        return chosen


@final
class Neighbour(Actor):
    """Acts on the present observation alone."""

    def __init__(self, policy: MyBaselines) -> None:
        self._policy = policy

    def act(self, observations: NDArray[np.float32]) -> NDArray[np.float32]:
        """Actions (B, A) for observations (B, O)."""
        return np.stack([self._policy.action(observation) for observation in observations])

    def observe(self, rewards: NDArray[np.float32]) -> None:
        """Rewards change nothing."""

    def keep(self, rows: NDArray[np.int64]) -> None:
        """Rows are all alike."""
