"""Evaluate the policy that made the data by temporal differences."""

from __future__ import annotations

from copy import deepcopy
from functools import cached_property
from typing import TYPE_CHECKING, final

import torch
from torch import Tensor, nn
from ttf.interfaces.critic import Critic

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ttf.interfaces.learner import Transitions
    from ttf.layout import Layout

    from my_critic import MyCriticConfig


@final
class MyCritic(Critic):
    """V and Q both learn the reward and the averaged V of what follows; inputs are scaled to deviation 1."""

    mean: Tensor  # (O + A,)
    deviation: Tensor  # (O + A,)

    def __init__(self, config: MyCriticConfig, layout: Layout) -> None:
        super().__init__()
        self.config = config
        self.layout = layout
        inputs = layout.actions.stop  # observation and action
        self.register_buffer("mean", torch.zeros(inputs))
        self.register_buffer("deviation", torch.ones(inputs))
        self.v = _network(layout.observation, config.hidden)
        self.q = _network(inputs, config.hidden)
        self.averaged_v = deepcopy(self.v).requires_grad_(requires_grad=False)

    def prepare(self, transitions: Transitions) -> None:
        """Learn mean and deviation of observations and actions."""
        inputs = torch.cat([transitions.observations, transitions.actions], dim=-1)
        self.mean.copy_(inputs.mean(0))
        self.deviation.copy_(inputs.std(0, correction=0).clamp(min=1e-3))

    @cached_property
    def _adam(self) -> torch.optim.Adam:
        return torch.optim.Adam([*self.v.parameters(), *self.q.parameters()], lr=self.config.learning_rate)

    def optimizers(self) -> Mapping[str, torch.optim.Optimizer]:
        """One Adam for both networks."""
        return {"adam": self._adam}

    def update(self, batch: Transitions) -> Mapping[str, Tensor]:
        """A step of both networks; returns their losses."""
        with torch.no_grad():
            following = self.averaged_v(self._scaled(batch.next_observations)).squeeze(-1)
            target = batch.rewards + batch.discounts * following
        losses = {
            "value_loss": (self.value(batch.observations) - target).square().mean(),
            "q_loss": (self.action_value(batch.observations, batch.actions) - target).square().mean(),
        }
        self._adam.zero_grad()
        torch.autograd.backward([*losses.values()])
        self._adam.step()
        with torch.no_grad():
            for averaged, learned in zip(self.averaged_v.parameters(), self.v.parameters(), strict=True):
                averaged.lerp_(learned, self.config.averaging)
        return losses

    def value(self, observations: Tensor) -> Tensor:
        """V (...) of observations (..., O)."""
        values: Tensor = self.v(self._scaled(observations)).squeeze(-1)
        return values

    def action_value(self, observations: Tensor, actions: Tensor) -> Tensor:
        """Q (...) of actions (..., A) taken at observations (..., O)."""
        values: Tensor = self.q(self._scaled(torch.cat([observations, actions], dim=-1))).squeeze(-1)
        return values

    def _scaled(self, inputs: Tensor) -> Tensor:
        """Observations (..., O), perhaps with actions (..., O + A), as the networks see them."""
        width = inputs.shape[-1]
        return (inputs - self.mean[:width]) / self.deviation[:width]


def _network(inputs: int, hidden: int) -> nn.Sequential:
    return nn.Sequential(nn.Linear(inputs, hidden), nn.ReLU(), nn.Linear(hidden, 1))
