"""Uniform binning beyond the contract."""

from __future__ import annotations

import pytest
import torch

from ttf.binning import EdgeDiscretizer
from ttf.layout import Layout
from ttf.testing import check_discretizer
from ttf_plugins.uniform import UniformConfig

LAYOUT = Layout(observation=1, action=0)  # D = 3


def fitted(config: UniformConfig, column: torch.Tensor) -> EdgeDiscretizer:
    discretizer = config.build(LAYOUT)
    assert isinstance(discretizer, EdgeDiscretizer)
    discretizer.fit(column[:, None].expand(-1, LAYOUT.width))
    return discretizer


@pytest.mark.parametrize("bins", [2, 7, 100])
def test_it_keeps_the_contract(bins: int) -> None:
    check_discretizer(UniformConfig(bins=bins))


def test_the_published_rule_keeps_the_contract_on_continuous_data() -> None:
    check_discretizer(UniformConfig(bins=20, reference=True), cases=["continuous", "few", "tiny"])


def test_edges_are_equally_far_apart() -> None:
    discretizer = fitted(UniformConfig(bins=4), torch.linspace(-1, 1, 101))
    assert discretizer.edges[0].tolist() == [-1, -0.5, 0, 0.5, 1]
    assert discretizer.representatives[0].tolist() == [-0.75, -0.25, 0.25, 0.75]
    assert discretizer.encode(torch.tensor([[-1.0], [-0.5], [0.49], [1.0], [7.0]])).flatten().tolist() == [
        0,
        1,
        2,
        3,
        3,
    ]


def test_a_value_just_below_an_edge_is_nudged_over_it_by_the_published_rule_only() -> None:
    column, value = torch.linspace(0, 10, 1001), torch.tensor([[4.99999]])
    assert fitted(UniformConfig(bins=10), column).encode(value).item() == 4
    assert fitted(UniformConfig(bins=10, reference=True), column).encode(value).item() == 5


def test_edges_closer_than_float32_can_tell_apart_are_merged() -> None:
    column = torch.cat([torch.tensor([1e9]).nextafter(torch.tensor(torch.inf)).expand(3), 1e9 + 64 * torch.arange(9.0)])
    discretizer = fitted(UniformConfig(bins=9), torch.cat([column, column + 32]))
    count = int(discretizer.live[0].sum())
    assert 2 <= count <= 9
    assert (discretizer.edges[0, : count + 1].diff() > 0).all()
