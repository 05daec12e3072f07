"""What cells are called where they stand side by side: without what all of their names share."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from ttf.ablate.swaps import AS_GIVEN
from ttf.overrides import values_of

if TYPE_CHECKING:
    from collections.abc import Sequence


class Names(NamedTuple):
    """Short names of cells."""

    heading: str
    """What is above them: the paths that are swapped, or just ``cell``."""

    short: dict[str, str]
    """By the full name of every cell."""


def short_names(cells: Sequence[str]) -> Names:
    """Names as values alone under the paths of their swaps; whole ones where cells differ in what is swapped."""
    parts = {cell: [_parted(part) for part in values_of(cell) or [cell]] for cell in cells if cell != AS_GIVEN}
    paths = {tuple(path for path, _ in pairs) for pairs in parts.values()}
    if len(paths) != 1 or not any(*paths):
        return Names("cell", {cell: cell for cell in cells})
    short = {cell: ", ".join(value for _, value in pairs) for cell, pairs in parts.items()}
    return Names(", ".join(path for path in paths.pop() if path), {cell: short.get(cell, cell) for cell in cells})


def _parted(part: str) -> tuple[str, str]:
    """Path and value; no path for the name of a variant."""
    path, equals, value = part.partition("=")
    return (path, value) if equals else ("", part)
