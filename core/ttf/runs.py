"""Run folders of a recipe: make one, find the one to resume, keep others out."""

from __future__ import annotations

import hashlib
import json
import os
import socket
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from filelock import FileLock, Timeout

from ttf.errors import RecipeError, ResourceError
from ttf.run_dir import RunDir, write_text

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from ttf.component import AnalysisConfig, LearningFields
    from ttf.recipe import Recipe
    from ttf.section import Section

TRAINED = ("seed", "data", "discretizer", "model", "training")
"""The parts of a recipe that shape the trained model."""


def create_run(runs_dir: Path, recipe: Recipe) -> RunDir:
    """A new, empty run folder ``runs_dir/NAME/TIME``.

    Raises:
        ResourceError: it cannot be made.
    """
    return RunDir(timed_folder(runs_dir / recipe.name))


def timed_folder(parent: Path) -> Path:
    """A new folder in another one, called after the time.

    Raises:
        ResourceError: it cannot be made.
    """
    stamp = time.strftime("%Y%m%d-%H%M%S")
    names = [stamp, *(f"{stamp}-{number}" for number in range(2, 100))]
    for name in names:
        path = parent / name
        try:
            path.mkdir(parents=True)
        except FileExistsError as error:
            if not path.is_dir():
                raise _unusable(path, error) from error
        except OSError as error:
            raise _unusable(path, error) from error
        else:
            return path
    message = f"{parent}: too many runs were started in this second"
    raise ResourceError(message)


def newest_unfinished(runs_dir: Path, recipe: Recipe) -> RunDir:
    """The newest run of this recipe that has not finished and trains what the recipe says now.

    Raises:
        RecipeError: there is none; the message is about the newest run.
    """
    paths = sorted((runs_dir / recipe.name).glob("*"), key=by_time, reverse=True)
    runs = [(run, record) for run in map(RunDir, paths) if (record := run.read("run"))]
    wanted = training_hash(recipe)
    for run, record in runs:
        if not record.get("finished") and record.get("training_hash") == wanted:
            return run
    if not runs:
        message = f"nothing to resume: no run of {recipe.name!r} in {runs_dir}"
        raise RecipeError(message)
    run, record = runs[0]
    if record.get("finished"):
        message = f"nothing to resume: the newest run, {run.path}, has finished; leave out --resume to start another"
        raise RecipeError(message)
    message = (
        f"{run.path} was started with another recipe: {', '.join(TRAINED)} must be the same to resume; "
        f"its own is {run.recipe}"
    )
    raise RecipeError(message)


@contextmanager
def locked(run: RunDir, patience: float = 0.0) -> Iterator[None]:
    """Keep other processes from writing to a run; one that does already has ``patience`` seconds to end.

    Raises:
        ResourceError: another process does already.
    """
    lock = FileLock(run.lock)
    try:
        lock.acquire(timeout=patience)
    except Timeout as error:
        writer = run.writer.read_text(encoding="utf-8") if run.writer.exists() else "another process"
        message = f"{run.path}: {writer} is still writing to this run"
        raise ResourceError(message) from error
    try:
        write_text(run.writer, f"process {os.getpid()} of {socket.gethostname()}")
        yield
    finally:
        run.writer.unlink(missing_ok=True)
        lock.release()


def training_parts(recipe: Recipe) -> dict[str, Any]:
    """The parts of a recipe that shape the trained model."""
    return {name: part for name, part in _plain(recipe).items() if name in TRAINED}


def training_hash(recipe: Recipe) -> str:
    """Identifies the parts of a recipe that shape the trained model."""
    return digest(training_parts(recipe))


def learning_parts(recipe: Recipe, learner: LearningFields) -> dict[str, Any]:
    """What shapes a learner: how it is configured, the data, and which episodes are held out."""
    return {
        "seed": recipe.seed,
        "data": _plain(recipe)["data"],
        "held_out": recipe.training.validation_fraction if recipe.training else 0.0,
        "self": plain_section(learner),
    }


def learning_hash(recipe: Recipe, learner: LearningFields) -> str:
    """Identifies what shapes a learner."""
    return digest(learning_parts(recipe, learner))


def analysis_hash(recipe: Recipe, analysis: AnalysisConfig, step: int) -> str:
    """Identifies what shapes an analysis: how it is configured, and the model after ``step`` updates."""
    return digest({"trained": training_hash(recipe), "step": step, "self": plain_section(analysis)})


def plain_section(section: Section) -> dict[str, Any]:
    """A section as JSON, each component with all its own fields."""
    return section.model_dump(mode="json", serialize_as_any=True)


def data_seed(recipe: Recipe) -> int:
    """The seed of what is collected and of which episodes are held out."""
    return recipe.seed if recipe.data.seed is None else recipe.data.seed


def _plain(recipe: Recipe) -> dict[str, Any]:
    """The recipe as JSON, with the seed of its data: it is no other data for being said twice."""
    plain = plain_section(recipe)
    plain["data"]["seed"] = data_seed(recipe)
    return plain


def digest(parts: Mapping[str, Any]) -> str:
    """Hash of plain data, whatever the order of its keys."""
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def by_time(path: Path) -> tuple[str, int]:
    """Time and number of a run folder, so that ``20260102-030405-10`` comes after ``20260102-030405-9``."""
    day, clock, number, *_ = (*path.name.split("-"), "", "", "")
    return f"{day}-{clock}", int(number) if number.isdecimal() else 1


def _unusable(path: Path, error: OSError) -> ResourceError:
    message = f"{path}: the folder cannot be made: {error.strerror or error}"
    return ResourceError(message)
