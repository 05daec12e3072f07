"""Swaps make a grid of cells."""

from __future__ import annotations

import pytest

from ttf.ablate.swaps import Cell, grid
from ttf.errors import RecipeError
from ttf.overrides import values_of


def test_the_grid_is_the_product_of_all_swaps() -> None:
    assert grid(["discretizer=uniform,quantile", "decoder.beam_width=8, 32"], {}) == [
        Cell("discretizer=uniform, decoder.beam_width=8", ("discretizer.kind=uniform", "decoder.beam_width=8")),
        Cell("discretizer=uniform, decoder.beam_width=32", ("discretizer.kind=uniform", "decoder.beam_width=32")),
        Cell("discretizer=quantile, decoder.beam_width=8", ("discretizer.kind=quantile", "decoder.beam_width=8")),
        Cell("discretizer=quantile, decoder.beam_width=32", ("discretizer.kind=quantile", "decoder.beam_width=32")),
    ]
    assert grid([], {}) == []


def test_a_slot_takes_kinds_or_whole_sections_and_a_list_takes_values_alone() -> None:
    cells = grid(["discretizer={kind: uniform, bins: 50},quantile", "data.observation_keys=[a, b],[a]"], {})
    assert cells[0].overrides == ("discretizer={kind: uniform, bins: 50}", "data.observation_keys=[a, b]")
    assert cells[-1].overrides == ("discretizer.kind=quantile", "data.observation_keys=[a]")


def test_variants_are_one_more_swap() -> None:
    cells = grid(["device=1,2"], {"plain": [], "wide": ["decoder.beam_width=9", "decoder.horizon=9"]})
    assert [cell.name for cell in cells] == ["device=1, plain", "device=1, wide", "device=2, plain", "device=2, wide"]
    assert cells[1].overrides == ("device=1", "decoder.beam_width=9", "decoder.horizon=9")


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("8,32", ["8", "32"]),
        ("{a: [1, 2], b: 'x,y'}, z", ["{a: [1, 2], b: 'x,y'}", "z"]),
        ("one", ["one"]),
        ("", []),
        ("8,,9", []),
        ("8,", []),
    ],
)
def test_a_list_of_values_is_split_where_nothing_is_open(text: str, values: list[str]) -> None:
    assert values_of(text) == values


@pytest.mark.parametrize(
    ("swaps", "message"),
    [
        (["discretizer"], "--swap discretizer: must be written as slot=kind,kind or field=value,value"),
        (["=8"], "--swap =8: must be written as"),
        (["decoder.beam_width="], "--swap decoder.beam_width=: must be written as"),
        (["decoder.beam_width=8,8"], "--swap decoder.beam_width=8,8: a value is given twice"),
        (["a=1,2", "a=3"], "--swap a=3: a is swapped twice; put all values into one swap"),
        (["seed=1,2"], "--swap seed=1,2: seed is the same in all cells: --seeds says how many"),
        (["data.seed=1,2"], "--swap data.seed=1,2: data.seed is the same in all cells: cells learn from the same data"),
        (["launcher=local,ray"], "--swap launcher=local,ray: launcher is the same in all cells: it is no part of"),
        *(
            ([f"{path}=1,2"], f"--swap {path}=1,2: {path} is the same in all cells: cells are compared in the same")
            for path in ("evaluation.episodes", "evaluation.seed", "evaluation", "environment.id", "reporters.0.kind")
        ),
    ],
)
def test_what_is_no_swap_is_refused(swaps: list[str], message: str) -> None:
    with pytest.raises(RecipeError) as caught:
        grid(swaps, {})
    assert str(caught.value).startswith(message)


def test_a_variant_cannot_change_which_episodes_are_compared() -> None:
    with pytest.raises(RecipeError) as caught:
        grid([], {"plain": [], "long": ["decoder.horizon=9", "evaluation.max_steps=9"]}, "r.yaml")
    assert str(caught.value).startswith(
        "r.yaml: study.variants long: evaluation.max_steps=9: evaluation.max_steps is the same in all cells: cells are"
    )
