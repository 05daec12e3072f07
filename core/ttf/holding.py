"""Policies that act once per transition, as a transition of the data may last several environment steps."""

from __future__ import annotations

from typing import TYPE_CHECKING, final

import numpy as np

from ttf.interfaces.policy import Actor, Policy

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ttf.component import DataConfig


@final
class HoldingPolicy(Policy):
    """Holds each action of a policy for a transition, and then tells the policy what was earned, as the data has it.

    Args:
        policy: acts, and learns the reward, once per transition.
        data: how many steps that is, and how their rewards are scaled, shifted and discounted.
    """

    def __init__(self, policy: Policy, data: DataConfig) -> None:
        self.policy, self.data = policy, data

    def start(self, batch: int, seed: int) -> Actor:
        """An actor for ``batch`` episodes."""
        return _HoldingActor(self.policy.start(batch, seed), self.data)


@final
class _HoldingActor(Actor):
    def __init__(self, actor: Actor, data: DataConfig) -> None:
        self._actor, self._data = actor, data
        self._held = 0
        self._action = self._reward = np.zeros(0, dtype=np.float32)

    def act(self, observations: NDArray[np.float32]) -> NDArray[np.float32]:
        self.imagined = None
        if self._held == 0:
            self._action = self._actor.act(observations)
            self._reward = np.zeros(len(observations), dtype=np.float32)
            self.imagined = self._actor.imagined
        return self._action

    def observe(self, rewards: NDArray[np.float32]) -> None:
        data = self._data
        earned = data.reward_scale * rewards + data.reward_shift
        self._reward = self._reward + np.float32(data.discount**self._held) * earned.astype(np.float32)
        self._held = (self._held + 1) % data.stride
        if self._held == 0:
            self._actor.observe(self._reward)

    def keep(self, rows: NDArray[np.int64]) -> None:
        self._actor.keep(rows)
        self._action, self._reward = self._action[rows], self._reward[rows]
