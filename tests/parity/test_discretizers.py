"""Edges, tokens, values and expectations of the published discretizers."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from ttf.binning import EdgeDiscretizer
from ttf.layout import Layout
from ttf_plugins.quantile import QuantileConfig
from ttf_plugins.uniform import UniformConfig

VECTORS = Path(__file__).parent / "vectors"
LAYOUT = Layout(observation=3, action=2)
SEEDS = (1, 2, 3)


def vectors(seed: int, name: str) -> dict[str, torch.Tensor]:
    with np.load(VECTORS / f"seed{seed}" / f"{name}.npz") as arrays:
        return {key: torch.from_numpy(arrays[key]) for key in arrays.files}


def fitted(config: QuantileConfig | UniformConfig, rows: torch.Tensor) -> EdgeDiscretizer:
    discretizer = config.build(LAYOUT)
    assert isinstance(discretizer, EdgeDiscretizer)
    discretizer.fit(rows)
    return discretizer


@pytest.mark.parametrize("seed", SEEDS)
def test_the_original_quantile_rule_gives_its_edges_tokens_and_values(seed: int) -> None:
    theirs = vectors(seed, "original")
    discretizer = fitted(QuantileConfig(bins=12, reference=True), theirs["rows"])
    assert torch.equal(discretizer.edges, theirs["edges"].T.float())
    assert torch.equal(discretizer.encode(theirs["new_rows"]), theirs["encoded"])
    torch.testing.assert_close(discretizer.decode(theirs["encoded"]), theirs["decoded"].float(), rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("seed", SEEDS)
def test_expectations_of_reward_and_value_equal_the_originals(seed: int) -> None:
    theirs = vectors(seed, "original")
    discretizer = fitted(QuantileConfig(bins=12, reference=True), theirs["rows"])
    for column, name in ((LAYOUT.reward, "expected_reward"), (LAYOUT.value, "expected_value")):
        ours = discretizer.expectation(theirs["probs"], column)
        torch.testing.assert_close(ours, theirs[name], rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize(
    ("name", "config"),
    [
        ("uniform", UniformConfig(bins=12, reference=True)),
        ("quantile", QuantileConfig(bins=12, reference=True, rule="percentile")),
    ],
)
def test_the_forks_rules_give_its_edges_tokens_and_values(
    seed: int, name: str, config: QuantileConfig | UniformConfig
) -> None:
    theirs = vectors(seed, "fork")
    discretizer = fitted(config, theirs["rows"])
    edges, decoded = theirs[f"{name}_edges"].float(), theirs[f"{name}_decoded"].float()
    torch.testing.assert_close(discretizer.edges, edges, rtol=2e-7, atol=1e-7)  # an ulp
    assert torch.equal(discretizer.encode(theirs["new_rows"]), theirs[f"{name}_encoded"])
    torch.testing.assert_close(discretizer.decode(theirs[f"{name}_encoded"]), decoded, rtol=1e-6, atol=1e-6)


def test_the_vectors_hold_values_outside_the_edges_and_columns_with_atoms() -> None:
    for seed in SEEDS:
        theirs = vectors(seed, "original")
        edges = theirs["edges"].T  # (D, N + 1)
        assert ((theirs["new_rows"] < edges[:, 0]) | (theirs["new_rows"] > edges[:, -1])).any()
        assert (edges.diff(dim=1) == 0).any()
