"""Parts that stand in for those of a recipe while one of them is checked: the smallest that keep their contracts."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Literal, TypeVar, final

import torch
from torch import Tensor, nn

from ttf.binning import Bins, EdgeDiscretizer, grouped_bins
from ttf.component import CriticConfig, DiscretizerConfig, ModelConfig
from ttf.episodes import Rows, make_rows
from ttf.interfaces.critic import Critic
from ttf.interfaces.model import SequenceModel, State
from ttf.layout import Layout
from ttf.policies import NetworkPolicy
from ttf.testing.corridor import CorridorConfig

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from ttf.interfaces.discretizer import Discretizer
    from ttf.interfaces.learner import Transitions

T = TypeVar("T", bound=nn.Module)


@final
class RanksConfig(DiscretizerConfig):
    """Bins of equally many distinct values."""

    kind: Literal["ranks"] = "ranks"

    def build(self, layout: Layout) -> Discretizer:
        """Make the discretizer, not fitted yet."""
        return Ranks(layout, self.bins)


@final
class Ranks(EdgeDiscretizer):
    """Groups distinct values by their rank."""

    def column(self, values: Tensor) -> Bins:
        """The bins of one column's values (N,)."""
        distinct = torch.unique(values)
        return grouped_bins(distinct, torch.arange(len(distinct)) * self.bins // max(self.bins, len(distinct)))


@final
class BagConfig(ModelConfig):
    """Predicts from the sum of all tokens so far."""

    kind: Literal["bag"] = "bag"

    def build(self, layout: Layout, bins: int) -> SequenceModel:
        """Make the model with fresh weights."""
        return Bag(layout, bins, self.context)


@final
@dataclass(frozen=True, kw_only=True)
class Sum(State):
    """The running sum of what was read."""

    total: Tensor  # (B * K, bins + 1)

    def select(self, rows: Tensor) -> Sum:
        """The state of these rows."""
        return replace(self, total=self.total[self.flat(rows)], rows=rows.shape[1])


@final
class Bag(SequenceModel):
    """Logits are the goal's table entries and a sum over the tokens so far of table entry times position."""

    def __init__(self, layout: Layout, bins: int, context: int) -> None:
        super().__init__(layout, bins, context)
        self.table = nn.Parameter(torch.randn(bins + 1, bins + 1))

    def forward(self, tokens: Tensor, goal: Tensor | None = None) -> Tensor:
        """Logits (B, L, bins + 1)."""
        return self.step(tokens, self.start(len(tokens), tokens.shape[1], goal))[0]

    def start(self, batch: int, capacity: int, goal: Tensor | None = None) -> State:  # noqa: ARG002  (a sum is small)
        """Nothing but the goal."""
        return Sum(total=self.table[self.goal_tokens(goal, batch)].sum(1), groups=batch)

    def step(self, tokens: Tensor, state: State) -> tuple[Tensor, State]:
        """Logits (B * K, n, bins + 1) and the new state.

        Raises:
            ValueError: there are more tokens than the model reads.
        """
        assert isinstance(state, Sum)
        length = state.length + tokens.shape[1]
        if length > self.block:
            message = f"{length} tokens, but this model reads at most {self.block}"
            raise ValueError(message)
        positions = torch.arange(state.length, length, device=tokens.device) + 1
        terms = self.table[tokens] * (positions / self.block)[:, None]
        logits = state.total[:, None] + terms.cumsum(1)
        return logits, replace(state, total=logits[:, -1], length=length)

    def attention(self, tokens: Tensor, goal: Tensor | None = None) -> Tensor:
        """Weights (1, B, 1, L, G + L), the same for the goal and all tokens so far."""
        goals, length = self.goal_tokens(goal, len(tokens)).shape[1], tokens.shape[1]
        weights = self.table.new_ones(1, len(tokens), 1, length, goals + length).tril(goals)
        return weights / weights.sum(-1, keepdim=True)

    def decayed_parameters(self) -> Iterable[nn.Parameter]:
        """The table."""
        return [self.table]


@final
class LinearConfig(CriticConfig):
    """Linear values, and a linear policy."""

    kind: Literal["linear"] = "linear"

    def build(self, layout: Layout, *, discount: float) -> Critic:  # noqa: ARG002  (transitions carry it)
        """Make the critic with fresh weights."""
        return Linear(layout, self.learning_rate)


@final
class Linear(Critic):
    """Linear functions of observations less their mean: V learns Q, Q what follows, a policy the actions."""

    mean: Tensor  # (O,)

    def __init__(self, layout: Layout, learning_rate: float) -> None:
        super().__init__()
        self.learning_rate = learning_rate
        self.register_buffer("mean", torch.zeros(layout.observation))
        self.v = nn.Linear(layout.observation, 1)
        self.q = nn.Linear(layout.actions.stop, 1)
        self.chosen = nn.Linear(layout.observation, layout.action)

    def prepare(self, transitions: Transitions) -> None:
        """Learn the mean."""
        self.mean.copy_(transitions.observations.mean(0))

    @cached_property
    def _adam(self) -> torch.optim.Adam:
        return torch.optim.Adam(self.parameters(), lr=self.learning_rate)

    def optimizers(self) -> Mapping[str, torch.optim.Optimizer]:
        """Adam."""
        return {"adam": self._adam}

    def update(self, batch: Transitions) -> Mapping[str, Tensor]:
        """A step; returns the loss."""
        q = self.action_value(batch.observations, batch.actions)
        target = batch.rewards + batch.discounts * self.value(batch.next_observations).detach()
        misses = self.chosen(batch.observations - self.mean) - batch.actions
        errors = [q - target, self.value(batch.observations) - q.detach(), misses]
        loss = torch.stack([error.square().mean() for error in errors]).sum()
        self._adam.zero_grad()
        torch.autograd.backward(loss)
        self._adam.step()
        return {"loss": loss}

    def value(self, observations: Tensor) -> Tensor:
        """V (...)."""
        values: Tensor = self.v(observations - self.mean).squeeze(-1)
        return values

    def action_value(self, observations: Tensor, actions: Tensor) -> Tensor:
        """Q (...)."""
        values: Tensor = self.q(torch.cat([observations - self.mean, actions], -1)).squeeze(-1)
        return values

    def policy(self) -> NetworkPolicy:
        """The linear one."""
        return NetworkPolicy(self, lambda seen: self.chosen(seen - self.mean))


def corridor_rows(seed: int = 0, episodes: int = 30, goal_columns: tuple[int, ...] = ()) -> Rows:
    """Rows of walks, D = 5; with goals, each walk's is where it began."""
    config = CorridorConfig(episodes=episodes)
    walks = config.build(seed=seed).episodes()
    rows = make_rows(walks, Layout(2, 1, goal_columns), config)
    if not goal_columns:
        return rows
    return replace(rows, goals=rows.values[rows.lengths.cumsum() - rows.lengths][:, list(goal_columns)])


def fitted(rows: Rows, bins: int = 12) -> Discretizer:
    """A discretizer of some rows."""
    discretizer = RanksConfig(bins=bins).build(rows.layout)
    discretizer.fit(torch.from_numpy(rows.values))
    return discretizer


def made(make: Callable[[], T], seed: int = 0) -> T:
    """A module with fresh weights of a seed, in evaluation mode and without gradients."""
    with torch.random.fork_rng([]):
        torch.manual_seed(seed)
        return make().eval().requires_grad_(requires_grad=False)
