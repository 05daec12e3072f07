"""Quantile binning beyond the contract."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from ttf.binning import EdgeDiscretizer
from ttf.layout import Layout
from ttf.testing import check_discretizer
from ttf_plugins.quantile import QuantileConfig

LAYOUT = Layout(observation=1, action=0)  # D = 3


def fitted(config: QuantileConfig, column: torch.Tensor) -> EdgeDiscretizer:
    discretizer = config.build(LAYOUT)
    assert isinstance(discretizer, EdgeDiscretizer)
    discretizer.fit(column[:, None].expand(-1, LAYOUT.width))
    return discretizer


@pytest.mark.parametrize("bins", [2, 7, 100])
def test_it_keeps_the_contract(bins: int) -> None:
    check_discretizer(QuantileConfig(bins=bins))


@pytest.mark.parametrize("rule", ["original", "percentile"])
def test_the_published_rules_keep_the_contract_on_continuous_data(rule: str) -> None:
    config = QuantileConfig.model_validate({"bins": 20, "reference": True, "rule": rule})
    check_discretizer(config, cases=["continuous", "outlier"])


def test_bins_of_continuous_data_hold_equally_many_values() -> None:
    column = torch.randn(12_345, generator=torch.Generator().manual_seed(0)).exp()
    tokens = fitted(QuantileConfig(bins=100), column).encode(column[:, None])
    counts = tokens.flatten().bincount(minlength=100)
    assert counts.min() >= 123
    assert counts.max() <= 124


def test_a_heavy_atom_gets_a_bin_of_its_own_and_the_rest_is_shared_out() -> None:
    spread = torch.linspace(50, 100, 2000)
    column = torch.cat([torch.zeros(18_000), spread])
    discretizer = fitted(QuantileConfig(bins=20), column)
    alone = discretizer.encode(torch.zeros(1, 1))
    assert discretizer.decode(alone).item() == 0
    counts = discretizer.encode(spread[:, None]).flatten().bincount(minlength=20)
    assert counts[int(alone)] == 0
    used = counts[counts > 0]
    assert len(used) >= 18
    assert used[:-1].max() - used[:-1].min() <= 60
    assert discretizer.decode(discretizer.encode(spread[:1, None])).item() >= 50


@given(counts=st.lists(st.integers(1, 500), min_size=21, max_size=60), bins=st.integers(2, 20))
@settings(max_examples=100, deadline=None)
def test_a_value_worth_two_bins_is_alone_in_its_bin(counts: list[int], bins: int) -> None:
    values = torch.arange(len(counts), dtype=torch.float32)
    discretizer = fitted(QuantileConfig(bins=bins), values.repeat_interleave(torch.tensor(counts)))
    tokens = discretizer.encode(values[:, None]).flatten()
    for value, count in enumerate(counts):
        if count >= 2 * sum(counts) / bins:
            assert (tokens == tokens[value]).sum() == 1
            assert discretizer.decode(tokens[value : value + 1, None]).item() == value


def test_sparse_rewards_and_their_values_are_told_apart() -> None:
    column = torch.cat([torch.zeros(9000), 0.99 ** torch.arange(300.0)])
    discretizer = fitted(QuantileConfig(bins=100), column)
    assert discretizer.decode(discretizer.encode(torch.zeros(1, 1))).item() == 0
    assert int(discretizer.live[0].sum()) >= 95


def test_the_original_rule_with_few_rows_still_decodes_every_row() -> None:
    column = torch.arange(1050.0)  # ceil(1050 / 100) = 11, so 96 bins instead of 100
    discretizer = fitted(QuantileConfig(bins=100, reference=True), column)
    assert int(discretizer.live[0].sum()) == 96
    tokens = discretizer.encode(column[:, None])
    assert int(tokens.max()) == 95
    assert (discretizer.decode(tokens).flatten() - column).abs().max() <= 11


def test_the_original_rule_puts_atoms_into_the_highest_of_duplicate_bins() -> None:
    column = torch.cat([torch.zeros(50), torch.arange(1.0, 51)])
    discretizer = fitted(QuantileConfig(bins=10, reference=True), column)
    assert discretizer.edges[0].tolist() == [0, 0, 0, 0, 0, 1, 11, 21, 31, 41, 50]
    assert discretizer.encode(torch.tensor([[-1.0], [0.0], [1.0]])).flatten().tolist() == [0, 4, 5]
    assert discretizer.live[0].tolist() == [True, False, False, False, True, True, True, True, True, True]
