"""Swaps: what a study changes about its recipe, and the grid of cells that this makes."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product
from typing import TYPE_CHECKING

from ttf.component import SLOTS
from ttf.overrides import label_of, values_of
from ttf.source import Place, Problem

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from ttf.sections import StudyConfig
    from ttf.source import Keys

AS_GIVEN = "as given"
"""The name of the cell in which nothing is swapped."""


_ASIDE = "it is no part of what is compared"
_EPISODES = "cells are compared in the same episodes; change it for all of them with --set"

_FIXED = {
    **dict.fromkeys(("name", "study", "launcher"), _ASIDE),
    "reporters": f"{_ASIDE}; change it for all of them with --set",
    "data.seed": "the data of all cells have the same seed; change it for all of them with --set",
    "seed": "--seeds says how many seeds they are trained with",
    **dict.fromkeys(("environment", "evaluation"), _EPISODES),
}
"""What is the same in all cells, and why."""


@dataclass(frozen=True)
class Choice:
    """One of the values of a swap, or one of the variants."""

    name: str
    changes: tuple[tuple[str, Place], ...]
    """Overrides, such as ``decoder.beam_width=8``, and where each is written."""

    place: Place
    """Where the swap or the variant is written."""


@dataclass(frozen=True)
class Cell:
    """One combination of choices; without any, the recipe as given."""

    choices: tuple[Choice, ...] = ()

    @property
    def name(self) -> str:
        """What a person calls it."""
        return ", ".join(choice.name for choice in self.choices) or AS_GIVEN

    @property
    def overrides(self) -> tuple[str, ...]:
        """What it changes about the recipe."""
        return tuple(override for choice in self.choices for override, _ in choice.changes)

    def told(self, line: str) -> tuple[Place | None, str]:
        """A line about the recipe of this cell: where the override that it names is written, and the rest of it."""
        for choice in self.choices:
            for override, place in choice.changes:
                if line.startswith(label := f"{label_of(override)}: "):
                    return place, line.removeprefix(label)
        return None, line


def grid(config: StudyConfig, place: Callable[[Keys], Place]) -> tuple[list[Cell], list[Problem]]:
    """The product of all swaps, the last one varying fastest, and what is wrong with swaps.

    Args:
        config: what is swapped.
        place: where a part of it is written, such as ``("swap", 0)``.
    """
    axes: dict[str, list[Choice]] = {}
    problems: list[Problem] = []
    for index, text in enumerate(config.swap):
        path, _, listed = text.partition("=")
        path, values, at = path.strip(), values_of(listed), place(("swap", index))
        if wrong := _wrong(path, values, axes):
            problems.append(Problem(at, wrong))
        else:
            axes[path] = [Choice(f"{path}={value}", ((_override(path, value), at),), at) for value in values]
    for name, overrides in config.variants.items():
        at, changes = place(("variants", name)), []
        if name == AS_GIVEN:
            problems.append(Problem(at, "is the name of the recipe itself, which is always compared; take another one"))
        for index, override in enumerate(overrides):
            written = place(("variants", name, index))
            if wrong := _refused(override.partition("=")[0].strip()):
                problems.append(Problem(written, wrong))
            else:
                changes.append((override, written))
        axes.setdefault("", []).append(Choice(name, tuple(changes), at))
    return [Cell(choices) for choices in product(*axes.values())] if axes else [], problems


def _wrong(path: str, values: list[str], others: Collection[str]) -> str | None:
    if not path or not values:
        return "must be written as slot=kind,kind or field=value,value"
    if len({*values}) < len(values):
        return "a value is given twice"
    if path in others:
        return f"{path} is swapped twice; put all values into one swap"
    return _refused(path)


def _refused(path: str) -> str | None:
    """Why this cannot be swapped, if it cannot."""
    why = _FIXED.get(path) or _FIXED.get(path.partition(".")[0])
    return f"{path} is the same in all cells: {why}" if why else None


def _override(path: str, value: str) -> str:
    """What puts a value where it goes: into a slot's kind, unless it is a whole section."""
    kind = path in SLOTS and not SLOTS[path][1] and not value.startswith("{")
    return f"{path}.kind={value}" if kind else f"{path}={value}"
