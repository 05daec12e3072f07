"""Swaps: what a study changes about its recipe, and the grid of cells that this makes."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product
from typing import TYPE_CHECKING

from ttf.component import SLOTS
from ttf.errors import RecipeError
from ttf.overrides import values_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

AS_GIVEN = "as given"
"""The name of the cell in which nothing is swapped."""


_FIXED = ("name", "seed", "study", "launcher")
"""What is no part of what is compared."""


@dataclass(frozen=True)
class Choice:
    """One of the values of a swap."""

    name: str
    overrides: tuple[str, ...]


@dataclass(frozen=True)
class Cell:
    """One combination of choices."""

    name: str
    overrides: tuple[str, ...]
    """What it changes about the recipe, such as ``decoder.beam_width=8``."""


def grid(swaps: Iterable[str], variants: Mapping[str, Sequence[str]]) -> list[Cell]:
    """The product of all swaps, the last one varying fastest.

    Args:
        swaps: such as ``discretizer=uniform,quantile`` or ``decoder.beam_width=8,32``.
        variants: one more swap; under each name the overrides that it consists of.

    Raises:
        RecipeError: a swap is malformed, or names what another one swaps too.
    """
    axes: dict[str, list[Choice]] = {}
    for text in swaps:
        path, choices = _parsed(text)
        if path in axes:
            message = f"--swap {text}: {path} is swapped twice; put all values into one swap"
            raise RecipeError(message)
        axes[path] = choices
    if variants:
        axes[""] = [Choice(name, tuple(overrides)) for name, overrides in variants.items()]
    return [_cell(choices) for choices in product(*axes.values())] if axes else []


def _cell(choices: Iterable[Choice]) -> Cell:
    chosen = [*choices]
    overrides = tuple(override for choice in chosen for override in choice.overrides)
    return Cell(", ".join(choice.name for choice in chosen), overrides)


def _parsed(text: str) -> tuple[str, list[Choice]]:
    """The path that a swap is about, and its choices."""
    path, equals, listed = text.partition("=")
    path = path.strip()
    values = values_of(listed) if equals and path else []
    if not values:
        message = f"--swap {text}: must be written as slot=kind,kind or field=value,value"
        raise RecipeError(message)
    if path.partition(".")[0] in _FIXED:
        message = f"--swap {text}: {path} is the same in all cells; --seeds says how many seeds they are trained with"
        raise RecipeError(message)
    if len({*values}) < len(values):
        message = f"--swap {text}: a value is given twice"
        raise RecipeError(message)
    return path, [Choice(f"{path}={value}", (f"{_target(path, value)}={value}",)) for value in values]


def _target(path: str, value: str) -> str:
    """Where a value goes: a slot's kind, unless the value is a whole section."""
    if path in SLOTS and not SLOTS[path][1] and not value.startswith("{"):
        return f"{path}.kind"
    return path
