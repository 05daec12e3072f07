"""The critic ``iql``: networks, losses and the update."""

from __future__ import annotations

import math
from copy import deepcopy
from functools import cached_property
from typing import TYPE_CHECKING, final

import torch
from torch import Tensor, nn

from ttf.errors import RecipeError
from ttf.interfaces.critic import Critic
from ttf.mlp import mlp
from ttf.policies import NetworkPolicy
from ttf.scaling import Scaling

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ttf.interfaces.learner import Transitions
    from ttf.layout import Layout
    from ttf_plugins.iql import IQLConfig


@final
class Twins(nn.Module):
    """Two Q-functions."""

    def __init__(self, layout: Layout, config: IQLConfig) -> None:
        super().__init__()
        inputs = layout.actions.stop  # observation and action
        self.both = nn.ModuleList(mlp(inputs, 1, hidden=config.hidden, layers=config.layers) for _ in range(2))

    def forward(self, inputs: Tensor) -> Tensor:
        """Values (2, ...) of what is seen of scaled observations, and actions."""
        return torch.stack([q(inputs).squeeze(-1) for q in self.both])


@final
class Places(nn.Module):
    """A value function of some dimensions of the observation, and the average of its weights.

    Raises:
        RecipeError: one of them does not exist.
    """

    def __init__(self, layout: Layout, config: IQLConfig, dims: list[int]) -> None:
        super().__init__()
        if max(dims) >= layout.observation:
            dimensions = f"an observation has {layout.observation} dimensions"
            message = f"critic.subgoal_dims: {max(dims)} is out of range; {dimensions}"
            raise RecipeError(message)
        self.dims, self.waves = dims, config.subgoal_waves
        self.v = mlp(len(dims) * (2 * self.waves or 1), 1, hidden=config.hidden, layers=config.layers)
        self.averaged_v = deepcopy(self.v).requires_grad_(requires_grad=False)

    def forward(self, scaled: Tensor) -> Tensor:
        """Values (...) of scaled observations (..., O)."""
        values: Tensor = self.v(self._seen(scaled)).squeeze(-1)
        return values

    def averaged(self, scaled: Tensor) -> Tensor:
        """Values (...) of scaled observations (..., O), of the averaged weights."""
        values: Tensor = self.averaged_v(self._seen(scaled)).squeeze(-1)
        return values

    def _seen(self, scaled: Tensor) -> Tensor:
        """The dimensions (..., n) of scaled observations (..., O), or waves of them."""
        places = torch.stack([scaled[..., dim] for dim in self.dims], dim=-1)  # a GPU would be sent a list every time
        if not self.waves:
            return places
        angles = places.unsqueeze(-1) * torch.arange(1, self.waves + 1, device=places.device) * (math.pi / 4)
        return torch.cat([angles.sin(), angles.cos()], dim=-1).flatten(-2)


@final
class GaussianPolicy(nn.Module):
    """A Gaussian over scaled actions; its mean lies between -1 and 1, its deviation is the same everywhere."""

    def __init__(self, layout: Layout, config: IQLConfig) -> None:
        super().__init__()
        self.body = mlp(layout.observation, layout.action, hidden=config.hidden, layers=config.layers)
        self.log_deviation = nn.Parameter(torch.zeros(layout.action))

    def forward(self, observations: Tensor) -> Tensor:
        """Mean actions (..., A) for scaled observations (..., O)."""
        mean: Tensor = torch.tanh(self.body(observations))
        return mean

    def log_likelihood(self, observations: Tensor, actions: Tensor) -> Tensor:
        """Of actions (..., A), all dimensions together: (...)."""
        log_deviation = self.log_deviation.clamp(-20, 2)
        distance = (actions - self(observations)) * torch.exp(-log_deviation)
        densities: Tensor = -0.5 * distance.square() - log_deviation - 0.5 * math.log(2 * math.pi)
        return densities.sum(-1)


@final
class IQL(Critic):
    """Implicit Q-learning (facts page, section 1.9).

    All losses of an update are those of the weights before it, so that one backward pass and one step do.
    """

    def __init__(self, config: IQLConfig, layout: Layout) -> None:
        super().__init__()
        self.config = config
        self.scaling = Scaling(layout)
        self.v = mlp(layout.observation, 1, hidden=config.hidden, layers=config.layers)
        self.q = Twins(layout, config)
        self.averaged_q = deepcopy(self.q).requires_grad_(requires_grad=False)
        self.places = Places(layout, config, config.subgoal_dims) if config.subgoal_dims is not None else None
        self.gaussian = GaussianPolicy(layout, config) if config.policy else None
        self._updates = 0

    def prepare(self, transitions: Transitions) -> None:
        """Learn the scales of observations and actions.

        Raises:
            RecipeError: there are to be values of subgoals, but there are no subgoals.
        """
        if self.places is not None and transitions.later is None:
            message = "critic.subgoal_dims: the data has no subgoals; set data.subgoal too"
            raise RecipeError(message)
        self.scaling.fit(transitions, observations=self.config.normalise)

    def optimizers(self) -> Mapping[str, torch.optim.Optimizer]:
        """One Adam for all networks."""
        return {"adam": self._adam}

    @cached_property
    def _adam(self) -> torch.optim.Adam:
        """Two groups of parameters: those of the values, and those of the policy, if there is one."""
        places = self.places.v.parameters() if self.places is not None else ()
        groups = [{"params": [*self.q.parameters(), *self.v.parameters(), *places]}]
        if self.gaussian is not None:
            groups.append({"params": [*self.gaussian.parameters()]})
        return torch.optim.Adam(groups, lr=self.config.learning_rate, fused=True)

    def update(self, batch: Transitions) -> Mapping[str, Tensor]:
        """A step of everything; returns the losses."""
        if self.gaussian is not None:
            done = self._updates / self.config.updates
            self._adam.param_groups[1]["lr"] = self.config.learning_rate * (1 + math.cos(math.pi * done)) / 2
        losses = self.losses(batch)
        self._adam.zero_grad()
        torch.autograd.backward([*losses.values()])
        self._adam.step()
        with torch.no_grad():
            torch._foreach_lerp_(*self._averages(), self.config.target_rate)
        self._updates += 1
        return losses

    def losses(self, batch: Transitions) -> dict[str, Tensor]:
        """The losses of a batch, by name; none reaches another one's parameters."""
        observations, actions = self.scaling.observations(batch.observations), self.scaling.actions(batch.actions)
        inputs = torch.cat([observations, actions], dim=-1)
        with torch.no_grad():
            best = self.averaged_q(inputs).amin(0)
            following = self.value(batch.next_observations)
            target = batch.rewards + batch.discounts * following
        advantages = best - self.v(observations).squeeze(-1)
        losses = {
            "value_loss": self._expectile_loss(advantages),
            "q_loss": (self.q(inputs) - target).square().sum(0).mean(),
        }
        if self.places is not None:
            later = batch.later
            assert later is not None  # noqa: S101  (checked by prepare)
            following = self.places.averaged(self.scaling.observations(later.observations))
            reached = later.rewards + later.discounts * following
            losses["subgoal_loss"] = self._expectile_loss(reached - self.places(observations))
        if self.gaussian is not None:
            weights = torch.exp(self.config.beta * advantages.detach()).clamp(max=self.config.advantage_clip)
            losses["policy_loss"] = -(weights * self.gaussian.log_likelihood(observations, actions)).mean()
        return losses

    def _expectile_loss(self, advantages: Tensor) -> Tensor:
        weights = torch.where(advantages.detach() < 0, 1 - self.config.expectile, self.config.expectile)
        return (weights * advantages.square()).mean()

    def _averages(self) -> tuple[list[Tensor], list[Tensor]]:
        """Averaged weights, and those that they are averages of."""
        averaged: list[Tensor] = [*self.averaged_q.parameters()]
        learned: list[Tensor] = [*self.q.parameters()]
        if self.places is not None:
            averaged += self.places.averaged_v.parameters()
            learned += self.places.v.parameters()
        return averaged, learned

    def value(self, observations: Tensor) -> Tensor:
        """V (...) of observations (..., O)."""
        values: Tensor = self.v(self.scaling.observations(observations)).squeeze(-1)
        return values

    def subgoal_value(self, observations: Tensor) -> Tensor:
        """V (...) of where observations (..., O) were moved, as the values of subgoals have it, if there are any."""
        if self.places is None:
            return self.value(observations)
        values: Tensor = self.places(self.scaling.observations(observations))
        return values

    def action_value(self, observations: Tensor, actions: Tensor) -> Tensor:
        """The smaller of the averaged Q-functions (...)."""
        inputs = torch.cat([self.scaling.observations(observations), self.scaling.actions(actions)], dim=-1)
        values: Tensor = self.averaged_q(inputs).amin(0)
        return values

    def policy(self) -> NetworkPolicy | None:
        """The policy, acting with its mean, if the configuration asks for one."""
        gaussian = self.gaussian
        if gaussian is None:
            return None
        return NetworkPolicy(
            self, lambda seen: self.scaling.unscaled_actions(gaussian(self.scaling.observations(seen)))
        )

    def get_extra_state(self) -> Tensor:
        """How many updates there have been: a part of the module's state."""
        return torch.tensor(self._updates)

    def set_extra_state(self, state: Tensor) -> None:
        """Go on from so many updates."""
        self._updates = int(state)
