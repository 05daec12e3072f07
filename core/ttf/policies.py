"""Policies made of something else: of a network, or of another policy and an environment's bounds."""

from __future__ import annotations

from typing import TYPE_CHECKING, final

import numpy as np
import torch

from ttf.interfaces.policy import Actor, Policy

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray
    from torch import Tensor, nn

__all__ = ["BoundedPolicy", "NetworkPolicy"]


@final
class NetworkPolicy(Policy):
    """Acts on the present observation alone, without randomness.

    Args:
        module: whose device computes.
        act: actions (B, A) for observations (B, O).
    """

    def __init__(self, module: nn.Module, act: Callable[[Tensor], Tensor]) -> None:
        self._module, self._act = module, act

    def start(self, batch: int, seed: int) -> Actor:  # noqa: ARG002  (nothing is random, rows are all alike)
        """An actor."""
        return _NetworkActor(self)

    @torch.no_grad()
    def act(self, observations: NDArray[np.float32]) -> NDArray[np.float32]:
        """Actions (B, A) for observations (B, O)."""
        device = next(self._module.parameters()).device
        seen = torch.from_numpy(np.ascontiguousarray(observations, dtype=np.float32)).to(device)
        return self._act(seen).cpu().numpy().astype(np.float32)


@final
class _NetworkActor(Actor):
    def __init__(self, policy: NetworkPolicy) -> None:
        self._policy = policy

    def act(self, observations: NDArray[np.float32]) -> NDArray[np.float32]:
        return self._policy.act(observations)

    def observe(self, rewards: NDArray[np.float32]) -> None:
        """Rewards change nothing."""

    def keep(self, rows: NDArray[np.int64]) -> None:
        """Rows are all alike."""


@final
class BoundedPolicy(Policy):
    """Takes the nearest action between the bounds (A,) where a policy would go beyond."""

    def __init__(self, policy: Policy, low: NDArray[np.float32], high: NDArray[np.float32]) -> None:
        self.policy, self.low, self.high = policy, low, high

    def start(self, batch: int, seed: int) -> Actor:
        """An actor for ``batch`` episodes."""
        return _BoundedActor(self.policy.start(batch, seed), self.low, self.high)


@final
class _BoundedActor(Actor):
    def __init__(self, actor: Actor, low: NDArray[np.float32], high: NDArray[np.float32]) -> None:
        self._actor, self._low, self._high = actor, low, high

    def act(self, observations: NDArray[np.float32]) -> NDArray[np.float32]:
        actions = self._actor.act(observations)
        self.imagined = self._actor.imagined
        return actions.clip(self._low, self._high)

    def observe(self, rewards: NDArray[np.float32]) -> None:
        self._actor.observe(rewards)

    def keep(self, rows: NDArray[np.int64]) -> None:
        self._actor.keep(rows)
