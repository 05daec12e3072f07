"""Study: a recipe, its cells and their seeds, every one of them checked."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ttf.ablate.swaps import AS_GIVEN, Cell, grid
from ttf.component import SLOTS
from ttf.errors import DataError, RecipeError
from ttf.recipe import dump, load
from ttf.sections import StudyConfig

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from pathlib import Path

    from ttf.recipe import Recipe
    from ttf.registry import Registry

LARGEST_SEED = 2**32 - 1

_RECORDS = "jsonl"
"""The reporter whose files are compared."""


@dataclass(frozen=True)
class Trial:
    """A cell, trained with one seed."""

    cell: str
    seed: int
    recipe: Recipe

    @property
    def name(self) -> str:
        """What a person calls it."""
        return f"{self.cell}, seed {self.seed}"


@dataclass(frozen=True)
class Study:
    """What is to be compared."""

    recipe: Recipe
    """As given; what its cells are compared to. Its ``study`` says what is swapped, whoever has asked for it."""

    cells: dict[str, list[Trial]]
    """By name, the recipe as given first; a trial for every seed, the same seeds for all."""

    @property
    def trials(self) -> Iterator[Trial]:
        """All of them, cell by cell."""
        return (trial for trials in self.cells.values() for trial in trials)

    @property
    def base(self) -> str:
        """The name of the cell that is the recipe as given."""
        return next(iter(self.cells))


def load_study(
    path: Path,
    registry: Registry,
    overrides: Sequence[str],
    swaps: Sequence[str],
    seeds: int | None,
    note: Callable[[str], None],
) -> Study:
    """Read a recipe and check every cell of its study.

    All cells have the data and the evaluation episodes of the recipe as given, whatever their seed.

    Args:
        path: of the recipe.
        registry: the installed components.
        overrides: of the recipe, before anything is swapped.
        swaps: instead of those of the recipe's own ``study``; empty for those.
        seeds: how many; None for the recipe's number.
        note: told what a swap of a kind has dropped.

    Raises:
        RecipeError: something is wrong with the recipe, a swap, or a cell; the message has a line for every problem.
    """
    given = load(path, registry, overrides, None, note)
    config = given.study or StudyConfig()
    if given.evaluation is None or given.environment is None:
        message = f"{path}: a study compares evaluations; the recipe has no 'environment' and 'evaluation' section"
        raise RecipeError(message)
    numbers = [(given.seed + index) % LARGEST_SEED for index in range(seeds or config.seeds)]
    cells = grid(swaps, {}) if swaps else grid(config.swap, config.variants, str(path))
    fixed = _fixed(given)
    told: set[str] = set()
    wrong: dict[str, None] = {}

    def trials(cell: Cell) -> list[Trial]:
        def once(text: str) -> None:
            if (line := cell.told(text)) not in told:
                note(line)
            told.add(line)

        changes = [*overrides, *cell.overrides, *fixed]
        try:
            return [Trial(cell.name, n, load(path, registry, changes, {"seed": n}, once)) for n in numbers]
        except RecipeError as error:
            wrong.update(dict.fromkeys(map(cell.told, str(error).splitlines())))
            return []

    made = {cell.name: trials(cell) for cell in cells}
    base = trials(Cell(AS_GIVEN, ()))
    if wrong:
        raise RecipeError("\n".join(wrong))
    names: dict[str, str] = {}
    for name, others in made.items():
        if (same := names.setdefault(dump(others[0].recipe), name)) != name:
            message = f"{path}: the cells {same!r} and {name!r} are the same; leave one out"
            raise RecipeError(message)
    given_as = names.get(dump(base[0].recipe))
    first = {AS_GIVEN: base} if given_as is None else {given_as: made.pop(given_as)}
    asked = config.model_copy(update={"seeds": len(numbers)} | ({"swap": [*swaps], "variants": {}} if swaps else {}))
    return Study(given.model_copy(update={"study": asked}), first | made)


def check_parts(trials: Iterable[Trial]) -> None:
    """Ask the components of every cell whether what they need is there.

    Raises:
        DataError: something is missing; the message has a line for each, with the first cell that needs it.
    """
    missing: dict[str, str] = {}
    for cell, recipe in {trial.cell: trial.recipe for trial in trials}.items():
        for slot, (_, several) in SLOTS.items():
            part = getattr(recipe, slot)
            for component in part if several else [part] if part else []:
                try:
                    component.check()
                except DataError as error:
                    missing.setdefault(str(error), cell)
    if missing:
        raise DataError("\n".join(f"{cell}: {what}" for what, cell in missing.items()))


def _fixed(recipe: Recipe) -> list[str]:
    """Overrides that give every seed the data and the evaluation episodes of the recipe's own, and records them."""
    data, evaluation = recipe.data.seed, recipe.evaluation.seed if recipe.evaluation else None
    recorded = any(reporter.kind == _RECORDS for reporter in recipe.reporters)
    reporter = f"{{kind: {_RECORDS}}}"
    records = f"reporters.{len(recipe.reporters)}={reporter}" if recipe.reporters else f"reporters=[{reporter}]"
    return [
        *([] if recorded else [records]),
        f"data.seed={recipe.seed if data is None else data}",
        f"evaluation.seed={recipe.seed if evaluation is None else evaluation}",
    ]
