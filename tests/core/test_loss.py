"""The loss is the published formula, recomputed here token by token."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from ttf.episodes import Batch
from ttf.interfaces.discretizer import Discretizer
from ttf.layout import Layout
from ttf.loss import TokenLoss, parts
from ttf.sections import TrainingConfig
from ttf_plugins.quantile import QuantileConfig


def case(layout: Layout, bins: int, context: int, seed: int) -> tuple[Discretizer, Tensor, Batch]:
    """A discretizer with dead bins, and logits for a batch of random live tokens, stops and masks."""
    generator = torch.Generator().manual_seed(seed)
    discretizer = QuantileConfig(bins=bins).build(layout)
    rows = torch.randn(40, layout.width, generator=generator)
    rows[:, 0] = rows[:, 0].sign()  # two bins only
    discretizer.fit(rows)
    tokens = discretizer.encode(torch.randn(3, context, layout.width, generator=generator))
    ended = torch.rand(3, context, 1, generator=generator) < 0.3
    flat = tokens.masked_fill(ended, discretizer.stop).flatten(1)
    mask = torch.rand(3, flat.shape[1] - 1, generator=generator) < 0.7
    logits = torch.randn(3, flat.shape[1] - 1, bins + 1, generator=generator)
    return discretizer, logits, Batch(flat[:, :0], flat[:, :-1], flat[:, 1:], mask)


def weight(layout: Layout, column: int, config: TrainingConfig) -> float:
    if column < layout.observation:
        return config.observation_weight
    if column < layout.observation + layout.action:
        return config.action_weight
    return config.reward_weight if column == layout.reward else config.value_weight


def brute_force(discretizer: Discretizer, logits: Tensor, batch: Batch) -> list[list[tuple[int, float]]]:
    """Column and cross-entropy of every target, over live bins and the stop token."""
    width, table = discretizer.layout.width, []
    for row in range(len(logits)):
        line = []
        for position in range(logits.shape[1]):
            column = (position + 1) % width
            live = [*discretizer.live[column].nonzero()[:, 0].tolist(), discretizer.stop]
            scores = {token: float(logits[row, position, token]) for token in live}
            total = math.log(sum(math.exp(score) for score in scores.values()))
            line.append((column, total - scores[int(batch.targets[row, position])]))
        table.append(line)
    return table


cases = given(
    layout=st.builds(Layout, st.integers(1, 3), st.integers(1, 2)),
    bins=st.integers(2, 6),
    context=st.integers(2, 3),
    seed=st.integers(0, 10_000),
)


@settings(max_examples=40, deadline=None)
@cases
def test_the_loss_is_weighted_masked_and_averaged_over_all_tokens(
    layout: Layout, bins: int, context: int, seed: int
) -> None:
    config = TrainingConfig(observation_weight=0.5, action_weight=5.0, reward_weight=2.0, value_weight=0.25)
    discretizer, logits, batch = case(layout, bins, context, seed)
    loss = TokenLoss(discretizer, config, layout.block(context))
    table = brute_force(discretizer, logits, batch)
    terms = [
        weight(layout, column, config) * entropy * bool(batch.mask[row, position])
        for row, line in enumerate(table)
        for position, (column, entropy) in enumerate(line)
    ]
    assert len(terms) == batch.targets.numel()
    assert float(loss(logits, batch)) == pytest.approx(sum(terms) / len(terms), rel=1e-5)


@settings(max_examples=40, deadline=None)
@cases
def test_the_loss_at_the_places_that_have_a_weight_is_that_of_all(
    layout: Layout, bins: int, context: int, seed: int
) -> None:
    config = TrainingConfig(observation_weight=0.0, action_weight=5.0, reward_weight=0.0, value_weight=0.25)
    discretizer, logits, batch = case(layout, bins, context, seed)
    loss = TokenLoss(discretizer, config, layout.block(context))
    assert loss.places is not None
    columns = [(place + 1) % layout.width for place in loss.places.tolist()]
    assert columns == (context * [*range(layout.width)[layout.actions], layout.value])[: len(columns)]
    found = loss(logits[:, loss.places], batch, loss.places)
    assert float(found) == pytest.approx(float(loss(logits, batch)), rel=1e-5, abs=1e-9)


def test_where_all_columns_have_a_weight_logits_are_wanted_everywhere() -> None:
    discretizer, _, _ = case(Layout(2, 1), 6, 3, seed=1)
    assert TokenLoss(discretizer, TrainingConfig(), 14).places is None


@settings(max_examples=40, deadline=None)
@cases
def test_sums_by_column_are_unweighted_and_count_the_targets_that_count(
    layout: Layout, bins: int, context: int, seed: int
) -> None:
    discretizer, logits, batch = case(layout, bins, context, seed)
    expected = np.zeros((2, layout.width))
    for row, line in enumerate(brute_force(discretizer, logits, batch)):
        for position, (column, entropy) in enumerate(line):
            expected[:, column] += np.array([entropy, 1]) * bool(batch.mask[row, position])
    sums = TokenLoss(discretizer, TrainingConfig(), layout.block(context)).sums(logits, batch)
    np.testing.assert_allclose(sums.numpy(), expected, rtol=1e-5)


def test_dead_bins_have_no_part_in_the_loss_and_get_no_gradient() -> None:
    discretizer, logits, batch = case(Layout(2, 1), 6, 3, seed=1)
    logits.requires_grad_()
    loss = TokenLoss(discretizer, TrainingConfig(), 14)
    loss(logits, batch).backward()  # type: ignore[no-untyped-call]  # torch leaves it untyped
    assert logits.grad is not None
    assert logits.grad.isfinite().all()
    columns = torch.arange(1, 15) % 5
    dead = ~discretizer.live[columns]  # (T, bins)
    assert dead.any()
    assert (logits.grad[..., :-1][:, dead] == 0).all()
    changed = logits.detach().clone()
    changed[..., :-1][:, dead] += 100
    assert float(loss(changed, batch)) == float(loss(logits, batch).detach())


def test_the_parts_of_a_transition_cover_it_once() -> None:
    columns = [column for part in parts(Layout(3, 2)).values() for column in range(7)[part]]
    assert list(parts(Layout(3, 2))) == ["observation", "action", "reward", "value"]
    assert columns == list(range(7))


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float32], ids=str)
def test_the_loss_is_computed_in_float32_whatever_the_logits_are(dtype: torch.dtype) -> None:
    discretizer, logits, batch = case(Layout(2, 1), 6, 3, seed=2)
    loss = TokenLoss(discretizer, TrainingConfig(), 14)
    found = loss(logits.to(dtype), batch)
    assert found.dtype == torch.float32
    expected: Any = loss(logits.to(dtype).float(), batch)
    assert float(found) == float(expected)
