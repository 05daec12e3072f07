"""Critic: what actions are worth."""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING

from ttf.interfaces.learner import Learner

if TYPE_CHECKING:
    from torch import Tensor

    from ttf.interfaces.policy import Policy

__all__ = ["Critic"]


class Critic(Learner):
    """Values in the units, and with the discount, of the rewards and values that the sequence model learns."""

    @abstractmethod
    def value(self, observations: Tensor) -> Tensor:
        """V (...) of observations (..., O)."""

    def subgoal_value(self, observations: Tensor) -> Tensor:
        """V (...) of observations (..., O) whose subgoal dimensions have been moved to where an action is to lead.

        A critic that learns from what came of transitions `later` knows better than to take such observations for ones
        that have been seen.
        """
        return self.value(observations)

    @abstractmethod
    def action_value(self, observations: Tensor, actions: Tensor) -> Tensor:
        """Q (...) of actions (..., A) taken at observations (..., O), the reward of the transition included."""

    def policy(self) -> Policy | None:
        """The critic's own policy, for critics that learn one."""
        return None
