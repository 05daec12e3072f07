"""What is wrong with the cells of a study, every mistake said once, where it is written."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ttf.source import Problem

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from ttf.ablate.swaps import Cell
    from ttf.source import Place


def faults(cells: Mapping[Cell, Sequence[str]]) -> Iterator[Problem]:
    """What is wrong with cells; what only some cells of a swap have says which.

    Args:
        cells: all of a study, and the lines about the recipe of each; no line if it is right.
    """
    found: dict[tuple[Place | None, str], list[Cell]] = {}
    for cell, lines in cells.items():
        for line in lines:
            found.setdefault(cell.told(line), []).append(cell)
    for (place, text), faulty in found.items():
        own = {choice for cell in faulty for choice in cell.choices if place in [at for _, at in choice.changes]}
        alike = [cell for cell in cells if not own.isdisjoint(cell.choices)]
        if place is not None and len(faulty) == len(alike):
            yield Problem(place, text)
            continue
        others = [choice for choice in faulty[0].choices if choice not in own]
        common = [choice for choice in others if all(choice in cell.choices for cell in faulty)] or others
        right = any(not cells[cell] for cell in alike)
        hint = "; study.variants can name the combinations that are meant" if right else ""
        yield Problem(place or common[0].place, f"with {', '.join(choice.name for choice in common)}: {text}{hint}")
