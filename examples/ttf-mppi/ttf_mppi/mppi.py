"""Model predictive path integral control: sample plans, weigh them, average their actions."""

from __future__ import annotations

from typing import TYPE_CHECKING, final

import torch
from torch import Tensor

from ttf.interfaces.decoder import Decoder, Plan
from ttf_mppi.rollout import Rollouts

if TYPE_CHECKING:
    from ttf.interfaces.discretizer import Discretizer
    from ttf.interfaces.model import SequenceModel
    from ttf_mppi import MPPIConfig
    from ttf_mppi.rollout import Imagined

ROWS_AT_ONCE = 8192
"""Plans imagined in one batch; more contexts are planned for in turns."""


@final
class MPPI(Decoder):
    """Plans for each context with samples of its own."""

    def __init__(self, config: MPPIConfig, model: SequenceModel, discretizer: Discretizer, discount: float) -> None:
        self.config = config
        self.discretizer = discretizer
        self.layout = discretizer.layout
        self.rollouts = Rollouts(model, discretizer, horizon=config.horizon, discount=discount)

    @torch.inference_mode()
    def plan(self, context: Tensor, generator: torch.Generator, goal: Tensor | None = None) -> Plan:
        """Plan from contexts (B, n * D + O) int64, perhaps for goals (B, G)."""
        shape = (len(context), self.config.samples, self.config.horizon, self.layout.action)
        uniforms = torch.rand(shape, generator=generator).to(context.device)
        normals = torch.randn((self.config.refinements, *shape), generator=generator).to(context.device)
        normals[:, :, 0] = 0  # the average itself is among the samples
        plans = []
        for rows in torch.split(torch.arange(len(context), device=context.device), max(1, ROWS_AT_ONCE // shape[1])):
            aim = None if goal is None else goal[rows]
            plans.append(self._plan(context[rows], aim, uniforms[rows], normals[:, rows]))
        actions = torch.cat([plan.actions for plan in plans if plan.actions is not None])
        return Plan(torch.cat([plan.tokens for plan in plans]), torch.cat([plan.score for plan in plans]), actions)

    def _plan(self, context: Tensor, goal: Tensor | None, uniforms: Tensor, normals: Tensor) -> Plan:
        """The plans of some contexts, from uniform (B, N, H, A) and normal numbers (refinements, B, N, H, A)."""
        low, high = self._bounds(context)
        imagined = self.rollouts.sampled(context, goal, uniforms)
        mean = self._average(imagined).clamp(low, high)  # (B, H, A)
        for numbers in normals:
            around = mean.unsqueeze(1) + self.config.noise * (high - low) * numbers
            imagined = self.rollouts.given(context, goal, self._tokens(around.clamp(low, high)))
            mean = self._average(imagined).clamp(low, high)
        chosen = self.rollouts.given(context, goal, self._tokens(mean).unsqueeze(1))
        return Plan(chosen.tokens[:, 0], chosen.returns[:, 0], mean)

    def _average(self, imagined: Imagined) -> Tensor:
        """The weighted mean actions (B, H, A) of plans, of those that have not ended."""
        returns = imagined.returns  # (B, N)
        deviation = returns.std(1, correction=0, keepdim=True).clamp(min=1e-6)
        weights = torch.softmax(returns / (self.config.temperature * deviation), dim=1)
        weights = (weights.unsqueeze(2) * imagined.alive).unsqueeze(3)  # (B, N, H, 1)
        actions = self.discretizer.decode(imagined.tokens[..., self.layout.actions], self.layout.actions.start)
        return (weights * actions).sum(1) / weights.sum(1).clamp(min=1e-30)

    def _tokens(self, actions: Tensor) -> Tensor:
        """Tokens (..., A) of actions (..., A)."""
        return self.discretizer.encode(actions, self.layout.actions.start)

    def _bounds(self, context: Tensor) -> Tensor:
        """What the first and the last bin of every dimension of an action decode as, (2, A)."""
        ends = torch.tensor([[0], [self.discretizer.stop]], device=context.device)
        return self.discretizer.decode(ends.expand(2, self.layout.action), self.layout.actions.start)
