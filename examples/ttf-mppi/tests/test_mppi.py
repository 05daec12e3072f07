"""The planner keeps the contract, and finds what a model that is known to the letter makes of actions."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, final

import pytest
import torch
from torch import Tensor, nn

from ttf.binning import Bins, EdgeDiscretizer, grouped_bins
from ttf.interfaces.model import SequenceModel, State
from ttf.layout import Layout
from ttf.testing import check_decoder
from ttf_mppi import MPPIConfig

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ttf.interfaces.decoder import Plan

BINS = 21
LAYOUT = Layout(observation=1, action=1)  # D = 4


@final
class Grid(EdgeDiscretizer):
    """Bins around -1, -0.9, ... 1."""

    def column(self, values: Tensor) -> Bins:
        """A bin for every distinct value (N,)."""
        distinct = torch.unique(values)
        return grouped_bins(distinct, torch.arange(len(distinct)))


@final
@dataclass(frozen=True, kw_only=True)
class Past(State):
    """All tokens so far."""

    tokens: Tensor

    def select(self, rows: Tensor) -> Past:
        """Those of these rows."""
        return replace(self, tokens=self.tokens[self.flat(rows)], rows=rows.shape[1])


@final
class Oracle(SequenceModel):
    """Knows a world: observations move by 0.3 of the action, a reward is minus the distance from 0.5."""

    def forward(self, tokens: Tensor, goal: Tensor | None = None) -> Tensor:
        """Logits (B, L, bins + 1)."""
        return torch.stack([self._next(tokens[:, : end + 1]) for end in range(tokens.shape[1])], 1)

    def start(self, batch: int, capacity: int, goal: Tensor | None = None) -> State:
        """Nothing was read."""
        return Past(tokens=torch.zeros(batch, 0, dtype=torch.int64), groups=batch)

    def step(self, tokens: Tensor, state: State) -> tuple[Tensor, State]:
        """Logits (B * K, n, bins + 1) and what was read."""
        assert isinstance(state, Past)
        read = torch.cat([state.tokens, tokens], 1)
        logits = self.forward(read)[:, state.length :]
        return logits, replace(state, tokens=read, length=read.shape[1])

    def decayed_parameters(self) -> Iterable[nn.Parameter]:
        """There are none."""
        return []

    def _next(self, tokens: Tensor) -> Tensor:
        """Logits (B, bins + 1) of the token after tokens (B, L)."""
        column = LAYOUT.slots(1, tokens.shape[1])[0]
        begin = tokens.shape[1] - (column or LAYOUT.width)  # of the transition that the last token belongs to
        place = tokens[:, begin] / 10 - 1
        after = (place + 0.3 * (tokens[:, begin + 1] / 10 - 1)).clamp(-1, 1) if tokens.shape[1] > begin + 1 else place
        if column in range(LAYOUT.width)[LAYOUT.actions]:
            return torch.zeros(len(tokens), BINS + 1)  # any action will do
        wanted = {LAYOUT.reward: -(after - 0.5).abs(), LAYOUT.value: torch.zeros_like(after)}.get(column, after)
        grid = torch.linspace(-1, 1, BINS)
        near = torch.cat([-((grid - wanted[:, None]) ** 2) * 1e3, torch.full((len(tokens), 1), -1e9)], 1)
        return near.float()


def planned(config: MPPIConfig, places: list[float]) -> Plan:
    discretizer = Grid(LAYOUT, BINS)
    discretizer.fit(torch.linspace(-1, 1, BINS)[:, None].expand(-1, LAYOUT.width))
    model = Oracle(LAYOUT, BINS, context=12)
    context = discretizer.encode(torch.tensor(places)[:, None])
    planner = config.build(model, discretizer, discount=1.0)
    return planner.plan(context, torch.Generator().manual_seed(0))


@pytest.mark.parametrize(
    "config",
    [
        MPPIConfig(horizon=2, samples=4),
        MPPIConfig(horizon=3, samples=3, refinements=0),
        MPPIConfig(horizon=1, samples=2, refinements=2, noise=0.5, temperature=5.0),
        MPPIConfig(horizon=2, samples=1, noise=0.0),
    ],
)
def test_it_keeps_the_contract(config: MPPIConfig) -> None:
    check_decoder(config)


def test_it_goes_where_the_rewards_are() -> None:
    plan = planned(MPPIConfig(horizon=4, samples=128, refinements=3, noise=0.2), [-0.5, 0.5, 1.0])
    assert plan.actions is not None
    right, stay, left = plan.actions[:, 0, 0].tolist()
    assert right > 0.7
    assert abs(stay) < 0.3
    assert left < -0.7


def test_refinements_are_expected_to_be_worth_more() -> None:
    config = MPPIConfig(horizon=4, samples=16, noise=0.2)
    few, more, many = (
        float(planned(config.model_copy(update={"refinements": count}), [-0.5]).score) for count in (0, 1, 4)
    )
    assert few + 0.1 < more < many


def test_without_noise_and_refinements_the_plan_is_the_average_of_what_the_model_samples() -> None:
    plan = planned(MPPIConfig(horizon=1, samples=4096, refinements=0, temperature=1000.0), [0.0])
    assert plan.actions is not None
    assert abs(float(plan.actions)) < 0.05  # any action is as likely, and nearly all count as much


def test_the_score_is_what_the_model_expects_of_the_plan_itself() -> None:
    plan = planned(MPPIConfig(horizon=3, samples=8), [0.1])
    grid = torch.linspace(-1, 1, BINS)
    assert float(plan.score) == pytest.approx(float(grid[plan.tokens[0, :, LAYOUT.reward]].sum()), abs=0.1)


def test_many_contexts_are_planned_for_in_turns_and_none_is_changed_by_that(monkeypatch: pytest.MonkeyPatch) -> None:
    config, places = MPPIConfig(horizon=2, samples=8), [-0.5, 0.0, 0.5, 1.0]
    together = planned(config, places)
    monkeypatch.setattr("ttf_mppi.mppi.ROWS_AT_ONCE", 8)
    in_turns = planned(config, places)
    assert together.tokens.equal(in_turns.tokens)
    assert together.actions is not None
    assert in_turns.actions is not None
    torch.testing.assert_close(together.actions, in_turns.actions)
