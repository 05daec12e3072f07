"""Swaps: what a study changes about its recipe, and the grid of cells that this makes."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import product
from typing import TYPE_CHECKING

from ttf.component import SLOTS
from ttf.errors import RecipeError
from ttf.overrides import values_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

AS_GIVEN = "as given"
"""The name of the cell in which nothing is swapped."""


_EPISODES = "cells are compared in the same episodes; change it for all of them with --set"

_FIXED = {
    **dict.fromkeys(("name", "study", "launcher"), "it is no part of what is compared"),
    "data.seed": "cells learn from the same data; change it for all of them with --set",
    "seed": "--seeds says how many seeds they are trained with",
    **dict.fromkeys(("environment", "evaluation", "reporters"), _EPISODES),
}
"""What is the same in all cells, and why."""


@dataclass(frozen=True)
class Choice:
    """One of the values of a swap."""

    name: str
    overrides: tuple[str, ...]
    origin: str
    """What whoever wrote it has written, for messages."""


@dataclass(frozen=True)
class Cell:
    """One combination of choices."""

    name: str
    overrides: tuple[str, ...]
    """What it changes about the recipe, such as ``decoder.beam_width=8``."""

    origins: Mapping[str, str] = field(default_factory=dict, compare=False)
    """What was written for each of the overrides."""

    def told(self, text: str) -> str:
        """A line about the recipe of this cell, in the words of whoever wrote the swap."""
        for override, origin in self.origins.items():
            if text.startswith(label := f"--set {override}:"):
                return f"{origin}:{text.removeprefix(label)}"
        return f"{self.name}: {text}"


def grid(swaps: Iterable[str], variants: Mapping[str, Sequence[str]], file: str = "") -> list[Cell]:
    """The product of all swaps, the last one varying fastest.

    Args:
        swaps: such as ``discretizer=uniform,quantile`` or ``decoder.beam_width=8,32``.
        variants: one more swap; under each name the overrides that it consists of.
        file: that they were written in; empty for the command line.

    Raises:
        RecipeError: a swap is malformed, or names what another one swaps too or what is the same in all cells.
    """
    axes: dict[str, list[Choice]] = {}
    origin = f"{file}: study.swap" if file else "--swap"
    for text in swaps:
        path, choices = _parsed(text, origin)
        if path in axes:
            message = f"{origin} {text}: {path} is swapped twice; put all values into one swap"
            raise RecipeError(message)
        axes[path] = choices
    for name, overrides in variants.items():
        for override in overrides:
            _refuse_fixed(f"{file}: study.variants {name}: {override}", override.partition("=")[0].strip())
    if variants:
        axes[""] = [
            Choice(name, tuple(changes), f"{file}: study.variants {name}") for name, changes in variants.items()
        ]
    return [_cell(choices) for choices in product(*axes.values())] if axes else []


def _cell(choices: Iterable[Choice]) -> Cell:
    chosen = [*choices]
    origins = {override: choice.origin for choice in chosen for override in choice.overrides}
    overrides = tuple(override for choice in chosen for override in choice.overrides)
    return Cell(", ".join(choice.name for choice in chosen), overrides, origins)


def _parsed(text: str, origin: str) -> tuple[str, list[Choice]]:
    """The path that a swap is about, and its choices."""
    path, equals, listed = text.partition("=")
    path = path.strip()
    values = values_of(listed) if equals and path else []
    if not values:
        message = f"{origin} {text}: must be written as slot=kind,kind or field=value,value"
        raise RecipeError(message)
    _refuse_fixed(f"{origin} {text}", path)
    if len({*values}) < len(values):
        message = f"{origin} {text}: a value is given twice"
        raise RecipeError(message)
    chosen = {f"{path}={value}": (f"{_target(path, value)}={value}",) for value in values}
    return path, [Choice(name, overrides, f"{origin} {name}") for name, overrides in chosen.items()]


def _refuse_fixed(label: str, path: str) -> None:
    why = _FIXED.get(path) or _FIXED.get(path.partition(".")[0])
    if why is not None:
        message = f"{label}: {path} is the same in all cells: {why}"
        raise RecipeError(message)


def _target(path: str, value: str) -> str:
    """Where a value goes: a slot's kind, unless the value is a whole section."""
    if path in SLOTS and not SLOTS[path][1] and not value.startswith("{"):
        return f"{path}.kind"
    return path
