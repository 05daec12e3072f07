"""Policies made of others' parts: of a network, and kept within an environment's bounds."""

from __future__ import annotations

from typing import TYPE_CHECKING, final

import numpy as np
import torch

from ttf.interfaces.policy import Actor, Policy

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray
    from torch import Tensor, nn


@final
class NetworkPolicy(Policy):
    """Acts on the present observation alone, without randomness.

    Args:
        module: whose device computes.
        act: actions (B, A) for observations (B, O).
        low: the smallest actions (A,); none smaller are taken.
        high: the largest ones.
    """

    def __init__(
        self,
        module: nn.Module,
        act: Callable[[Tensor], Tensor],
        low: NDArray[np.float32] | float = -np.inf,
        high: NDArray[np.float32] | float = np.inf,
    ) -> None:
        self._module, self._act, self._low, self._high = module, act, low, high

    def bounded(self, low: NDArray[np.float32], high: NDArray[np.float32]) -> NetworkPolicy:
        """The same policy with other bounds."""
        return NetworkPolicy(self._module, self._act, low, high)

    def start(self, batch: int, seed: int) -> Actor:  # noqa: ARG002  (nothing is random, rows are all alike)
        """An actor."""
        return _NetworkActor(self)

    @torch.no_grad()
    def act(self, observations: NDArray[np.float32]) -> NDArray[np.float32]:
        """Actions (B, A) for observations (B, O)."""
        device = next(self._module.parameters()).device
        actions = self._act(torch.from_numpy(np.ascontiguousarray(observations, dtype=np.float32)).to(device))
        bounded: NDArray[np.float32] = actions.cpu().numpy().clip(self._low, self._high).astype(np.float32)
        return bounded


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
