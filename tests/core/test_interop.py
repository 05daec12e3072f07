"""Weights of other implementations: what is recognised, what is refused and how."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from ttf import interop
from ttf.errors import CheckpointError
from ttf_plugins.gpt import GPTConfig

if TYPE_CHECKING:
    from pathlib import Path

    from torch import Tensor

D, N, L, WIDTH = 5, 4, 3, 8  # observation 2, action 1


def fork() -> dict[str, Tensor]:
    """A fork checkpoint of one block, its mask included."""
    shapes = {
        "tok_emb.weight": (N * D, WIDTH),
        "pos_emb": (1, L * D, WIDTH),
        "head.weight": (D, N, WIDTH),
        "blocks.0.attention.in_proj_weight": (3 * WIDTH, WIDTH),
        "blocks.0.attention.in_proj_bias": (3 * WIDTH,),
        "blocks.0.attention.out_proj.weight": (WIDTH, WIDTH),
        "blocks.0.attention.out_proj.bias": (WIDTH,),
        "blocks.0.mlp.0.weight": (4 * WIDTH, WIDTH),
        "blocks.0.mlp.0.bias": (4 * WIDTH,),
        "blocks.0.mlp.2.weight": (WIDTH, 4 * WIDTH),
        "blocks.0.mlp.2.bias": (WIDTH,),
        "blocks.0.attn_mask": (L * D, L * D),
    }
    norms = ["norm", "blocks.0.norm1", "blocks.0.norm2"]
    shapes |= {f"{norm}.{end}": (WIDTH,) for norm in norms for end in ("weight", "bias")}
    generator = torch.Generator().manual_seed(0)
    return {name: torch.randn(shape, generator=generator) for name, shape in shapes.items()}


def refused(state_dict: dict[str, Tensor]) -> str:
    with pytest.raises(CheckpointError) as caught:
        interop.convert(state_dict)
    return str(caught.value)


def test_shapes_say_what_the_model_was() -> None:
    weights = interop.convert(fork())
    found = (weights.format, weights.bins, weights.columns, weights.width, weights.layers, weights.context)
    assert found == ("fork", N, D, WIDTH, 1, L)
    assert weights.layout(observation=2, action=1).width == D
    assert not any("mask" in name for name in weights.state_dict)


def test_a_wrong_split_of_the_columns_is_refused() -> None:
    with pytest.raises(CheckpointError) as caught:
        interop.convert(fork()).layout(observation=2, action=2)
    assert str(caught.value) == (
        "weights are for transitions of 5 columns; observation 2 + action 2 + reward + value make 6; "
        "expected observation + action = 3"
    )


def test_loading_into_a_model_of_other_shapes_is_refused() -> None:
    weights = interop.convert(fork())
    layout = weights.layout(2, 1)
    with pytest.raises(CheckpointError) as caught:
        interop.load(GPTConfig(context=7, layers=1, heads=1, width=WIDTH).build(layout, N), weights)
    assert str(caught.value) == "weights have context 3, the model 7; build it with the weights' own"
    with pytest.raises(CheckpointError, match=r"weights with 1 layers and width 8 do not fit this model: .*blocks\.1"):
        interop.load(GPTConfig(context=L, layers=2, heads=1, width=WIDTH).build(layout, N), weights)


def test_an_unknown_format_is_refused() -> None:
    assert refused({"lin.weight": torch.zeros(1)}) == (
        "weights of an unknown format: found lin.weight, ...; expected one of blocks.0.attention.in_proj_weight, "
        "blocks.0.l1.weight, blocks.0.attn.query.weight"
    )


def test_missing_and_unknown_parameters_are_all_named() -> None:
    weights = fork()
    weights["norm.wieght"] = weights.pop("norm.weight")
    assert refused(weights) == (
        "fork weights do not have the expected parameters; missing: norm.weight; unknown: norm.wieght"
    )


def test_a_fork_model_with_a_shared_head_is_refused() -> None:
    assert refused(fork() | {"head.weight": torch.zeros(N, WIDTH), "head.bias": torch.zeros(N)}) == (
        "fork weights do not have the expected parameters; missing: none; unknown: head.bias"
        "; a fork model with one head for all columns has no counterpart here"
    )


def test_a_goal_conditioned_model_is_refused() -> None:
    assert refused(fork() | {"goal_emb.weight": torch.zeros(1)}) == (
        "weights are of a goal-conditioned model (goal_emb.weight), which the gpt plugin is not"
    )


@pytest.mark.parametrize("name", ["tok_emb.weight", "pos_emb"])
def test_shapes_that_contradict_the_head_are_refused(name: str) -> None:
    weights = fork()
    expected = tuple(weights[name].shape)
    weights[name] = weights[name][..., :-1]
    assert refused(weights) == (
        f"fork weights: {name} is {tuple(weights[name].shape)}; head.weight {(D, N, WIDTH)} asks for {expected}"
    )


def test_an_untrained_fork_model_is_refused() -> None:
    assert refused(fork() | {"norm.bias": torch.zeros(WIDTH)}) == (
        "fork weights: norm.bias is zero, as if untrained; the stop token's logit cannot be kept low"
    )


def test_safetensors_and_npz_files_hold_the_same(tmp_path: Path) -> None:
    weights = fork()
    save_file(weights, tmp_path / "weights.safetensors")
    np.savez(tmp_path / "weights.npz", allow_pickle=False, **{name: t.numpy() for name, t in weights.items()})
    for file in ("weights.safetensors", "weights.npz"):
        found = interop.read(tmp_path / file)
        assert found.keys() == weights.keys()
        assert all(torch.equal(found[name], weights[name]) for name in weights)


def test_files_that_are_pickles_corrupt_or_missing_are_refused(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError) as caught:
        interop.read(tmp_path / "state_48.pt")
    assert str(caught.value) == (
        f"{tmp_path / 'state_48.pt'}: expected .safetensors or .npz; ttf.interop says how to convert a .pt or .bin file"
    )
    (tmp_path / "text.npz").write_text("text")
    np.savez(tmp_path / "object.npz", weights=np.array([object()]))
    (tmp_path / "cut.safetensors").write_bytes(b"\x08")
    for name in ("text.npz", "object.npz", "cut.safetensors", "missing.npz", "missing.safetensors"):
        kind = name.split(".")[1]
        with pytest.raises(CheckpointError, match=f"{name}: cannot be read as {kind}: "):
            interop.read(tmp_path / name)
