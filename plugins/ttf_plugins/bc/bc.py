"""Behaviour cloning."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, final

import torch
from torch import Tensor

from ttf.interfaces.learner import Learner
from ttf.mlp import mlp
from ttf.policies import NetworkPolicy
from ttf.scaling import Scaling

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ttf.interfaces.learner import Transitions
    from ttf.layout import Layout
    from ttf_plugins.bc import BehaviourCloningConfig


@final
class Cloning(Learner):
    """A network from observations to actions, which lie within the range of the data's."""

    def __init__(self, config: BehaviourCloningConfig, layout: Layout) -> None:
        super().__init__()
        self.config = config
        self.scaling = Scaling(layout)
        self.body = mlp(layout.observation, layout.action, hidden=config.hidden, layers=config.layers)

    def prepare(self, transitions: Transitions) -> None:
        """Learn the scales of observations and actions."""
        self.scaling.fit(transitions, observations=self.config.normalise)

    @cached_property
    def _adam(self) -> torch.optim.Adam:
        return torch.optim.Adam(self.body.parameters(), lr=self.config.learning_rate, fused=True)

    def optimizers(self) -> Mapping[str, torch.optim.Optimizer]:
        """Adam."""
        return {"adam": self._adam}

    def update(self, batch: Transitions) -> Mapping[str, Tensor]:
        """A step; returns the mean squared error of the scaled actions."""
        loss = (self._scaled(batch.observations) - self.scaling.actions(batch.actions)).square().mean()
        self._adam.zero_grad()
        torch.autograd.backward(loss)
        self._adam.step()
        return {"action_loss": loss}

    def forward(self, observations: Tensor) -> Tensor:
        """Actions (..., A) for observations (..., O)."""
        return self.scaling.unscaled_actions(self._scaled(observations))

    def _scaled(self, observations: Tensor) -> Tensor:
        actions: Tensor = torch.tanh(self.body(self.scaling.observations(observations)))
        return actions


def policy_of(learner: Learner | None) -> NetworkPolicy:
    """The policy that a learner of this kind has learned, or is going to."""
    assert isinstance(learner, Cloning)  # noqa: S101  (made by the same configuration)
    return NetworkPolicy(learner, learner)
