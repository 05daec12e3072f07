"""StudyDir: the files of a study."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ttf.ablate.records import recorded_episodes
from ttf.errors import DataError, RecipeError
from ttf.plurals import counted
from ttf.recipe import dump
from ttf.run_dir import RunDir, write_text
from ttf.runs import by_time, digest, plain_section, timed_folder

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from ttf.ablate.records import Episodes
    from ttf.ablate.study import Study, Trial


@dataclass(frozen=True)
class StudyDir:
    """A study's folder.

    ====================== ==========================================================================
    recipe.yaml            the recipe as given, with what is swapped: ``ttf ablate`` makes the same study of it
    study.json             cells, seeds and what makes this study itself
    cells/CELL/seed-N/     a run folder, see :class:`ttf.run_dir.RunDir`
    logs/CELL/seed-N.log   what the run has said
    failures.json          of every trial that has failed last time, why
    comparison.json        the table
    comparison.html        what a person looks at
    ====================== ==========================================================================
    """

    path: Path

    @property
    def recipe(self) -> Path:
        """What the study was made of."""
        return self.path / "recipe.yaml"

    @property
    def comparison(self) -> Path:
        """The page."""
        return self.path / "comparison.html"

    def run(self, trial: Trial) -> RunDir:
        """The run folder of a trial."""
        return RunDir(self.path / "cells" / _slug(trial.cell) / f"seed-{trial.seed}")

    def episodes(self, trial: Trial) -> Episodes | None:
        """The evaluation episodes of a trial; None if the trial has not finished.

        Raises:
            DataError: its records are damaged: it has to be run again.
        """
        run = self.run(trial)
        finished = (run.read("run") or {}).get("finished")
        return recorded_episodes(run, trial.recipe) if finished else None

    def log(self, trial: Trial) -> Path:
        """What the run of a trial has said."""
        return self.path / "logs" / _slug(trial.cell) / f"seed-{trial.seed}.log"

    def read(self, name: str) -> dict[str, Any]:
        """A JSON document, ``study``, ``failures`` or ``comparison``; empty if absent.

        Raises:
            DataError: it is not JSON.
        """
        file = self.path / f"{name}.json"
        try:
            return dict(json.loads(file.read_bytes())) if file.exists() else {}
        except (ValueError, TypeError) as error:
            message = f"{file}: not a JSON mapping: {error}"
            raise DataError(message) from error

    def write(self, name: str, document: object) -> None:
        """Write a JSON document, whole or not at all."""
        write_text(self.path / f"{name}.json", json.dumps(document, indent=1, allow_nan=False) + "\n")


def create_study(runs_dir: Path, study: Study) -> StudyDir:
    """A new folder ``runs_dir/studies/NAME/TIME``.

    Raises:
        ResourceError: it cannot be made.
    """
    made = StudyDir(timed_folder(_folder(runs_dir, study)))
    write_text(made.recipe, dump(study.recipe))
    cells = {name: [trial.seed for trial in trials] for name, trials in study.cells.items()}
    made.write("study", {"recipe": study.recipe.name, "cells": cells, "identity": identity(study)})
    return made


def newest_study(runs_dir: Path, study: Study, note: Callable[[str], None]) -> StudyDir:
    """The newest folder of this very study.

    Args:
        runs_dir: folder of the runs, with those of the studies in it.
        study: which one.
        note: told of folders that are passed over because they cannot be read.

    Raises:
        RecipeError: there is none.
    """
    where, wanted = _folder(runs_dir, study), identity(study)
    described: dict[StudyDir, dict[str, Any]] = {}
    for folder in map(StudyDir, sorted(where.glob("*"), key=by_time, reverse=True)):
        try:
            described[folder] = folder.read("study")
        except DataError as error:
            note(f"{error}; this study is passed over")
            continue
        if described[folder].get("identity") == wanted:
            return folder
    why = next(_other_seeds(described, study), f"no study in {where} has these cells; leave out --resume to start it")
    message = f"nothing to resume: {why}"
    raise RecipeError(message)


def _other_seeds(described: Mapping[StudyDir, Mapping[str, Any]], study: Study) -> Iterator[str]:
    """Of the folders with cells of the same names, which have them with other seeds."""
    seeds = [trial.seed for trial in study.cells[study.base]]
    for folder, document in described.items():
        cells = document.get("cells")
        if isinstance(cells, dict) and cells.keys() == study.cells.keys() and (had := cells[study.base]) != seeds:
            numbers = f"{counted(len(had), 'seed')} from {had[0]} on, not {len(seeds)} from {seeds[0]}"
            yield f"{folder.path} has these cells with {numbers}; leave out --resume: what it has trained is used again"


def identity(study: Study) -> str:
    """What makes a study itself: every recipe of it, but for where its cells run."""
    recipes = {trial.name: plain_section(trial.recipe) | {"launcher": None} for trial in study.trials}
    return digest(recipes)


def _folder(runs_dir: Path, study: Study) -> Path:
    return runs_dir / "studies" / study.recipe.name


def _slug(cell: str) -> str:
    """A cell's name as that of a folder: readable, and different for different cells."""
    plain = re.sub(r"[^A-Za-z0-9_.=+-]+", "-", cell).strip("-.")[:80]
    return plain if plain == cell else f"{plain}-{digest({'cell': cell})[:6]}"
