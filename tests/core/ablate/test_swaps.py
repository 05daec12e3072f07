"""Swaps make a grid of cells."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ttf.ablate import swaps
from ttf.ablate.faults import faults
from ttf.ablate.swaps import Cell
from ttf.overrides import values_of
from ttf.sections import StudyConfig
from ttf.source import Place, dotted

if TYPE_CHECKING:
    from ttf.source import Keys


def place(at: Keys) -> Place:
    return Place(0, 0, 0, dotted(at))


def grid(swap: list[str], variants: dict[str, list[str]]) -> list[Cell]:
    cells, problems = swaps.grid(StudyConfig(swap=swap, variants=variants), place)
    assert problems == []
    return cells


def refused(swap: list[str], variants: dict[str, list[str]] | None = None) -> list[str]:
    _, problems = swaps.grid(StudyConfig(swap=swap, variants=variants or {}), place)
    return [f"{problem.place.label}: {problem.text}" for problem in problems]


def test_the_grid_is_the_product_of_all_swaps() -> None:
    cells = grid(["discretizer=uniform,quantile", "decoder.beam_width=8, 32"], {})
    assert [(cell.name, cell.overrides) for cell in cells] == [
        ("discretizer=uniform, decoder.beam_width=8", ("discretizer.kind=uniform", "decoder.beam_width=8")),
        ("discretizer=uniform, decoder.beam_width=32", ("discretizer.kind=uniform", "decoder.beam_width=32")),
        ("discretizer=quantile, decoder.beam_width=8", ("discretizer.kind=quantile", "decoder.beam_width=8")),
        ("discretizer=quantile, decoder.beam_width=32", ("discretizer.kind=quantile", "decoder.beam_width=32")),
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
    ("swap", "message"),
    [
        ("discretizer", "must be written as slot=kind,kind or field=value,value"),
        ("=8", "must be written as slot=kind,kind or field=value,value"),
        ("decoder.beam_width=", "must be written as slot=kind,kind or field=value,value"),
        ("decoder.beam_width=8,8", "a value is given twice"),
        ("seed=1,2", "seed is the same in all cells: --seeds says how many seeds they are trained with"),
        ("data.seed=1,2", "data.seed is the same in all cells: the data of all cells have the same seed; change it"),
        ("launcher=local,ray", "launcher is the same in all cells: it is no part of what is compared"),
        (
            "reporters.0.kind=1,2",
            "reporters.0.kind is the same in all cells: it is no part of what is compared; change",
        ),
        *(
            (f"{path}=1,2", f"{path} is the same in all cells: cells are compared in the same episodes; change it")
            for path in ("evaluation.episodes", "evaluation.seed", "evaluation", "environment.id")
        ),
    ],
)
def test_what_is_no_swap_is_refused(swap: str, message: str) -> None:
    (told,) = refused([swap])
    assert told.startswith(f"swap.0: {message}")


def test_all_that_is_refused_is_said_at_once() -> None:
    variants = {"plain": [], "long": ["decoder.horizon=9", "evaluation.max_steps=9", "seed=3"], "as given": []}
    assert [line.partition(" is ")[0] for line in refused(["a=1,2", "seed=1", "a=3", "name=b"], variants)] == [
        "swap.1: seed",
        "swap.2: a",
        "swap.3: name",
        "variants.long.1: evaluation.max_steps",
        "variants.long.2: seed",
        "variants.'as given':",
    ]


def test_a_mistake_is_said_once_and_with_what_only_some_cells_have_it() -> None:
    cells = grid(["decoder=beam_search,imitation", "decoder.expand=2,4", "model=gpt,lstm"], {"a": ["x=1"], "b": []})

    def lines(cell: Cell) -> list[str]:
        wrong = {
            "--set decoder.expand=4: too many": "decoder.expand=4",
            f"--set {cell.overrides[1]}: no such field": "decoder.kind=imitation",
            "--set x=1: unknown field": "x=1",
            "r.yaml:3:4: does not fit": "model.kind=lstm",
        }
        return [line for line, override in wrong.items() if override in cell.overrides]

    both = "with decoder=imitation: no such field"
    assert [(problem.place.label, problem.text) for problem in faults({cell: lines(cell) for cell in cells})] == [
        ("variants.a.0", "unknown field"),
        ("swap.2", "with model=lstm: r.yaml:3:4: does not fit"),
        ("swap.1", "too many"),
        ("swap.1", f"{both}; study.variants can name the combinations that are meant"),
    ]
