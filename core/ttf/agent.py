"""PlanningPolicy: observation to tokens to plan to action, batched over environments."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from ttf.interfaces.policy import Actor, Policy
from ttf.subgoals import destinations

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ttf.goals import GoalColumns
    from ttf.interfaces.decoder import Decoder, Plan
    from ttf.interfaces.discretizer import Discretizer
    from ttf.interfaces.environment import Environment


@dataclass
class ClipCounter:
    """How many of the numbers met while acting lay outside the discretizer's bins."""

    clipped: int = 0
    encoded: int = 0


@dataclass
class DeadlineCounter:
    """What plans came to that had a deadline."""

    reached: Counter[int] = field(default_factory=Counter)
    """Plans by the widest beam there was time for."""

    late: int = 0
    """Plans that came after it."""

    latest_ms: float = 0.0
    """The longest that one of them came after it."""

    def add(self, plan: Plan) -> None:
        """Count a plan, if it had a deadline."""
        if plan.reached is not None:
            self.reached[plan.reached] += 1
        if plan.late:
            self.late += 1
            self.latest_ms = max(self.latest_ms, 1000 * plan.late)

    def describe(self) -> dict[str, Any]:
        """For the record of the run."""
        widths = dict(sorted(self.reached.items()))
        return {"reached": widths, "late": self.late, "latest_ms": round(self.latest_ms, 1)}

    def __str__(self) -> str:
        plans = sum(self.reached.values())
        shares = ", ".join(f"{width}: {100 * count / plans:.0f} %" for width, count in sorted(self.reached.items()))
        late = f"; {self.late} of {plans} plans came late, by up to {self.latest_ms:.0f} ms" if self.late else ""
        return f"beam width reached by the deadline, share of plans: {shares}{late}"


class PlanningPolicy(Policy):
    """Plans again and again, a receding horizon (facts page, section 1.6); acts once per transition.

    Args:
        decoder: the planner.
        discretizer: fitted, on the planner's device.
        environment: whose action bounds clip the planned actions.
        context: transitions the planner sees, the one being planned among them; 1 for none of the past.
        plan_every: transitions between plans; a plan that is used up is renewed earlier.
        goals: how observations are taken apart, where trajectories have goals.
        hide_goal: whether the planner is not told them.
    """

    def __init__(
        self,
        decoder: Decoder,
        discretizer: Discretizer,
        environment: Environment,
        *,
        context: int,
        plan_every: int = 1,
        goals: GoalColumns | None = None,
        hide_goal: bool = False,
    ) -> None:
        self.decoder = decoder
        self.discretizer = discretizer
        self.low, self.high = environment.action_low, environment.action_high
        self.past = context - 1
        self.plan_every = plan_every
        self.goals, self.hide_goal = goals, hide_goal
        self.clips = ClipCounter()
        self.deadline = DeadlineCounter()

    def start(self, batch: int, seed: int) -> Actor:
        """An actor for ``batch`` episodes."""
        return _PlanningActor(self, batch, torch.Generator().manual_seed(seed))


class _PlanningActor(Actor):
    """The tokens of the last transitions of every episode, and the plan being followed."""

    def __init__(self, policy: PlanningPolicy, batch: int, generator: torch.Generator) -> None:
        self._policy = policy
        self._discretizer = policy.discretizer
        self._layout = policy.discretizer.layout
        self._device = policy.discretizer.live.device
        # The value token of past transitions; the published code encodes 1e6, which it takes to be above every bin.
        self._top = int(policy.discretizer.live[self._layout.value].nonzero().max())
        self._generator = generator
        self._past = torch.zeros(batch, 0, self._layout.width, dtype=torch.int64, device=self._device)
        self._now = self._past  # (B, O + A): tokens of the present observation and of the action taken
        self._plan: Plan | None = None
        self._followed = 0

    def act(self, observations: NDArray[np.float32]) -> NDArray[np.float32]:
        goals = self._policy.goals
        seen = observations[:, goals.seen] if goals else observations
        observed = self._encode(seen, self._layout.observations.start)
        if self._plan is None or self._followed == min(self._policy.plan_every, self._plan.transitions):
            context = torch.cat([self._past.flatten(1), observed], dim=1)
            self._plan = self._policy.decoder.plan(context, self._generator, self._goal(observations))
            self._followed = 0
            self._policy.deadline.add(self._plan)
            self.imagined = self._imagined(self._plan.tokens, observations)
        else:
            self.imagined = None
        subgoals, actions = np.split(self._planned(self._plan, self._followed), [self._layout.subgoal], axis=1)
        actions = actions.clip(self._policy.low, self._policy.high)
        self._followed += 1
        executed = self._encode(np.hstack([subgoals, actions]), self._layout.actions.start)
        self._now = torch.cat([observed, executed], dim=1)
        return actions

    def observe(self, rewards: NDArray[np.float32]) -> None:
        reward = self._encode(rewards[:, None], self._layout.reward)
        transition = torch.cat([self._now, reward, torch.full_like(reward, self._top)], dim=1)
        longer = torch.cat([self._past, transition.unsqueeze(1)], dim=1)
        self._past = longer[:, max(0, longer.shape[1] - self._policy.past) :]

    def keep(self, rows: NDArray[np.int64]) -> None:
        chosen = torch.from_numpy(rows).to(self._device)
        self._past, self._now = self._past[chosen], self._now[chosen]
        if self._plan is not None:
            self._plan = self._plan.select(chosen)

    def _planned(self, plan: Plan, t: int) -> NDArray[np.float32]:
        """The actions (B, A) of transition t of the plans."""
        if plan.actions is not None:
            return plan.actions[:, t].cpu().numpy().astype(np.float32)
        return self._decode(plan.tokens[:, t, self._layout.actions], self._layout.actions.start)

    def _goal(self, observations: NDArray[np.float32]) -> Tensor | None:
        """Goal tokens (B, G), if there is a goal and it is not hidden."""
        if self._policy.goals is None or self._policy.hide_goal:
            return None
        wanted = self._policy.goals.wanted(observations)
        columns = enumerate(self._layout.goal_columns)
        return torch.cat([self._encode(wanted[:, [i]], column) for i, column in columns], dim=1)

    def _imagined(self, tokens: Tensor, observations: NDArray[np.float32]) -> NDArray[np.float32]:
        """Planned observations as the environment has them, with what they say of the goal; NaN after the end.

        The last one is where the last subgoal leads, if there are any.
        """
        layout, goals = self._layout, self._policy.goals
        planned = self._decode(tokens[..., layout.observations], 0)
        if layout.subgoal:
            last = destinations(self._discretizer, tokens[:, -1:])
            planned = np.concatenate([planned, last.cpu().numpy().astype(np.float32)], axis=1)
            tokens = torch.cat([tokens, tokens[:, -1:]], dim=1)
        planned[(tokens[..., 0] == self._discretizer.stop).cpu().numpy()] = np.nan
        if goals is None:
            return planned
        whole = np.repeat(observations[:, None], planned.shape[1], axis=1)
        whole[..., goals.seen] = planned
        return whole

    def _encode(self, values: NDArray[np.float32], at: int) -> Tensor:
        tensor = torch.from_numpy(np.ascontiguousarray(values, dtype=np.float32)).to(self._device)
        self._policy.clips.encoded += tensor.numel()
        self._policy.clips.clipped += int(self._discretizer.outside(tensor, at).sum())
        return self._discretizer.encode(tensor, at)

    def _decode(self, tokens: Tensor, at: int) -> NDArray[np.float32]:
        return self._discretizer.decode(tokens, at).cpu().numpy().astype(np.float32)
