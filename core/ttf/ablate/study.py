"""Study: a recipe, its cells and their seeds, every one of them checked."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ttf.ablate.faults import faults
from ttf.ablate.swaps import Cell, grid
from ttf.component import SLOTS
from ttf.errors import DataError, RecipeError
from ttf.overrides import apply_override
from ttf.recipe import dump, load
from ttf.sections import StudyConfig
from ttf.source import Place, Problem, dotted, problems_error
from ttf.yaml_source import read_file

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from ttf.recipe import Recipe
    from ttf.registry import Registry
    from ttf.source import Keys

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
    if given.evaluation is None or given.environment is None:
        message = f"{path}: a study compares evaluations; the recipe has no 'environment' and 'evaluation' section"
        raise RecipeError(message)
    config, place = given.study or StudyConfig(), _places(path, overrides, swaps)
    asked = {"seeds": seeds or config.seeds} | ({"swap": [*swaps], "variants": {}} if swaps else {})
    study = config.model_copy(update=asked)
    cells, problems = grid(study, place)
    if not cells and not problems:
        if given.study is not None and "seeds" not in config.model_fields_set:
            raise problems_error([Problem(place(()), "compares nothing; say in 'swap' or 'variants' what is swapped")])
        note(f"{path}: nothing is swapped, so there is nothing to compare the recipe to; 'study' or --swap says what")
    given = given.model_copy(update={"study": study})
    trials = _loader(path, registry, overrides, given, note)
    base = trials(Cell())
    made: dict[Cell, list[Trial]] = {}
    wrong: dict[Cell, list[str]] = {}
    for cell in cells:
        try:
            made[cell], wrong[cell] = trials(cell), []
        except RecipeError as error:
            wrong[cell] = str(error).splitlines()
    problems += [*faults(wrong)]
    if problems:
        raise problems_error(problems)
    return Study(given, _base_first(base, made))


def _places(path: Path, overrides: Sequence[str], swaps: Sequence[str]) -> Callable[[Keys], Place]:
    """Where the parts of what is swapped are written, on the command line or in the recipe."""
    if swaps:
        return lambda at: Place(0, int(at[1]), 0, f"--swap {swaps[int(at[1])]}")
    source = read_file(path)
    for rank, override in enumerate(overrides, start=1):
        apply_override(source, override, rank)

    def place(at: Keys) -> Place:
        found = source.place(("study", *at))
        return found._replace(label=f"{found.label}: {dotted(('study', *at))}")

    return place


def _loader(
    path: Path, registry: Registry, overrides: Sequence[str], given: Recipe, note: Callable[[str], None]
) -> Callable[[Cell], list[Trial]]:
    """What loads the trials of a cell, and says once what has been dropped for several."""
    count = given.study.seeds if given.study else 1
    numbers = [(given.seed + index) % LARGEST_SEED for index in range(count)]
    fixed, told = _fixed(given), set[str]()

    def trials(cell: Cell) -> list[Trial]:
        def once(text: str) -> None:
            place, rest = cell.told(text)
            if (line := f"{place.label if place else cell.name}: {rest}") not in told:
                note(line)
            told.add(line)

        changes = [*overrides, *cell.overrides, *fixed]
        return [Trial(cell.name, n, load(path, registry, changes, {"seed": n}, once)) for n in numbers]

    return trials


def _base_first(base: list[Trial], made: Mapping[Cell, list[Trial]]) -> dict[str, list[Trial]]:
    """All cells by name, first the one that is the recipe as given, whatever it is called."""
    seen: dict[str, Cell] = {}
    problems = []
    for cell, trials in made.items():
        if (same := seen.setdefault(dump(trials[0].recipe), cell)) is not cell:
            place = next(b.place for a, b in zip(same.choices, cell.choices, strict=True) if a != b)
            problems.append(Problem(place, f"the cells {same.name!r} and {cell.name!r} are the same; leave one out"))
    if problems:
        raise problems_error(problems)
    first = seen.get(dump(base[0].recipe), Cell())
    return {first.name: base} | {cell.name: trials for cell, trials in made.items()}


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
