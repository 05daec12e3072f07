"""k-means binning: the contract, and what makes it k-means."""

from __future__ import annotations

from itertools import combinations, pairwise

import pytest
import torch
from torch import Tensor

from ttf.binning import EdgeDiscretizer
from ttf.layout import Layout
from ttf.testing import check_discretizer, sample_rows
from ttf_kmeans import KMeansConfig
from ttf_kmeans.kmeans import cluster

LAYOUT = Layout(observation=1, action=0)  # D = 3


def fitted(config: KMeansConfig, column: Tensor) -> EdgeDiscretizer:
    discretizer = config.build(LAYOUT)
    assert isinstance(discretizer, EdgeDiscretizer)
    discretizer.fit(column[:, None].expand(-1, LAYOUT.width))
    return discretizer


def error(values: Tensor, means: Tensor) -> float:
    """The sum of squared distances of values (N,) to the nearest of means (K,)."""
    return float((values[:, None].double() - means.double()).square().amin(1).sum())


def optimum(values: Tensor, clusters: int) -> float:
    """The least error of any clusters: all ways to cut the sorted values are tried."""
    ordered = values.double().sort().values
    cuts = combinations(range(1, len(ordered)), clusters - 1)
    parts = (torch.tensor_split(ordered, list(cut)) for cut in cuts)
    return min(sum(float((part - part.mean()).square().sum()) for part in split) for split in parts)


@pytest.mark.parametrize("bins", [2, 7, 40])
def test_it_keeps_the_contract(bins: int) -> None:
    check_discretizer(KMeansConfig(bins=bins))


def test_a_value_belongs_to_the_nearest_mean_and_decodes_as_the_mean_of_its_bin() -> None:
    values = sample_rows("continuous", 20)[:, 0]
    discretizer = fitted(KMeansConfig(bins=20, iterations=10_000), values)
    tokens = discretizer.encode(values[:, None])[:, 0]
    means = discretizer.representatives[0]
    assert tokens.equal((values[:, None] - means).abs().argmin(1))
    for token in range(20):
        torch.testing.assert_close(values[tokens == token].double().mean().float(), means[token])


def test_it_finds_clusters_that_are_far_apart() -> None:
    centres = torch.tensor([-40.0, -3.0, 0.0, 7.0, 100.0])
    noise = 0.1 * torch.randn(5, 60, generator=torch.Generator().manual_seed(0))
    clusters = [(centre + part)[:count] for centre, part, count in zip(centres, noise, (60, 3, 40, 11, 1), strict=True)]
    discretizer = fitted(KMeansConfig(bins=5), torch.cat(clusters))
    torch.testing.assert_close(discretizer.representatives[0], torch.stack([part.mean() for part in clusters]))


@pytest.mark.parametrize("seed", range(10))
@pytest.mark.parametrize("bins", [2, 3, 5])
def test_no_clusters_of_few_values_are_better(seed: int, bins: int) -> None:
    random = torch.Generator().manual_seed(seed)
    values = torch.randn(10, generator=random)[torch.randint(10, (14,), generator=random)]  # some are there twice
    found = error(values, fitted(KMeansConfig(bins=bins), values).representatives[0])
    assert found == pytest.approx(optimum(values, bins), rel=1e-5, abs=1e-9)


@pytest.mark.parametrize("case", ["continuous", "atoms", "outlier", "extreme"])
def test_steps_never_make_it_worse(case: str) -> None:
    values, counts = torch.unique(sample_rows(case, 10)[:, 0], return_counts=True)
    errors = [
        float((counts * (values[:, None] - means).square().amin(1)).sum())
        for means in (cluster(values.double(), counts.double(), 10, steps) for steps in (1, 2, 4, 8, 16, 64))
    ]
    assert all(after <= before * (1 + 1e-9) for before, after in pairwise(errors))


def test_few_values_have_a_bin_each_however_often_they_occur() -> None:
    values = torch.tensor([3.0, -1.0, 3.0, 3.0, 0.25, 3.0])
    discretizer = fitted(KMeansConfig(bins=4), values)
    assert discretizer.live[0].tolist() == [True, True, True, False]
    assert discretizer.decode(discretizer.encode(values[:, None]))[:, 0].equal(values)


def test_all_bins_are_used_where_there_are_values_enough() -> None:
    values = torch.cat([torch.zeros(10_000), torch.linspace(1, 2, 50), torch.tensor([1e6])])
    discretizer = fitted(KMeansConfig(bins=10), values)
    assert discretizer.live[0].all()
    assert discretizer.representatives[0, 0] == 0
    assert discretizer.representatives[0, -1] == 1e6


def test_a_constant_column_has_one_bin() -> None:
    discretizer = fitted(KMeansConfig(bins=5), torch.full((9,), 7.5))
    assert discretizer.live[0].tolist() == [True, False, False, False, False]
    assert discretizer.decode(torch.tensor([[0], [5]]))[:, 0].tolist() == [7.5, 7.5]


def test_the_order_of_the_rows_changes_nothing() -> None:
    values = sample_rows("atoms", 20)[:, 0]
    shuffled = values[torch.randperm(len(values), generator=torch.Generator().manual_seed(0))]
    one, other = (fitted(KMeansConfig(bins=20), column) for column in (values, shuffled))
    assert one.edges.equal(other.edges)
    assert one.representatives.equal(other.representatives)
