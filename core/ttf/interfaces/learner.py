"""Learner: a module trained on single transitions, such as a critic or a cloned policy."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import Tensor, nn

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

__all__ = ["Later", "Learner", "Transitions"]


class Later(NamedTuple):
    """What has come of transitions after the steps of a subgoal, or at the end of the episode, if that was before."""

    rewards: Tensor  # (N,), discounted and summed over all steps until then
    observations: Tensor  # (N, O)
    discounts: Tensor  # (N,): what the value of that observation counts; 0 where the episode has terminated


class Transitions(NamedTuple):
    """Transitions, all of a data set or a batch."""

    observations: Tensor  # (N, O) float32
    actions: Tensor  # (N, A)
    rewards: Tensor  # (N,), summed over the steps of a transition
    next_observations: Tensor  # (N, O)
    discounts: Tensor  # (N,): what the value of the next observation counts; 0 where the episode has terminated
    later: Later | None = None  # where the data has subgoals

    def select(self, rows: Tensor) -> Transitions:
        """These transitions only."""
        return self._each(lambda tensor: tensor[rows])

    def to(self, device: torch.device) -> Transitions:
        """The transitions on a device."""
        return self._each(lambda tensor: tensor.to(device))

    def _each(self, change: Callable[[Tensor], Tensor]) -> Transitions:
        return Transitions(
            change(self.observations),
            change(self.actions),
            change(self.rewards),
            change(self.next_observations),
            change(self.discounts),
            Later(*map(change, self.later)) if self.later is not None else None,
        )


class Learner(nn.Module, ABC):
    """Trains itself, a batch at a time; the loop, its checkpoints and its records are not its business."""

    @abstractmethod
    def prepare(self, transitions: Transitions) -> None:
        """Learn statistics, kept in buffers, from all training transitions; called once, before the first update."""

    @abstractmethod
    def optimizers(self) -> Mapping[str, torch.optim.Optimizer]:
        """The optimizers by name, made for the parameters as they are now, and always the same ones."""

    @abstractmethod
    def update(self, batch: Transitions) -> Mapping[str, Tensor]:
        """Learn from a batch: a step of every optimizer.

        Returns:
            Losses, scalars by name, to be recorded.
        """
