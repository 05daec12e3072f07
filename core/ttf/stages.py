"""Stages: trained parts kept by what made them, so that runs that share one train it once.

A stage is a trained model, critic or baseline. What shapes it is its identity: the sections of the recipe that it
depends on, the data's content, the code and the kind of device. Runs look for their stages in a folder beside them;
what they find there finished they take, what they train they leave there. Files are linked, not copied, and never
changed.

============================ ==============================================================================
NAME-KEY/stage.json          what shaped it, which run trained it; written last
NAME-KEY/records.jsonl       the records of its training
NAME-KEY/ckpt-NUMBER/        its last checkpoint, see :mod:`ttf.checkpoint`
============================ ==============================================================================
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import sys
import time
from contextlib import contextmanager, suppress
from functools import cache
from importlib.metadata import entry_points
from pathlib import Path
from typing import TYPE_CHECKING, Any

from filelock import FileLock, Timeout

from ttf import checkpoint
from ttf.device import resolve_device
from ttf.errors import DataError, ResourceError
from ttf.learn import learners
from ttf.prepare import load_data
from ttf.registry import GROUP
from ttf.run_dir import read_lines, write_lines, write_text
from ttf.runs import digest, learning_parts, training_parts
from ttf.versions import now, versions

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from ttf.component import LearningFields
    from ttf.interfaces.progress import Progress
    from ttf.recipe import Recipe

FOLDER = ".stages"
"""Beside the runs of a runs folder."""

_RECORD = "stage.json"
_RECORDS = "records.jsonl"
_FIELDS = ("name", "parts", "run", "finished", "seconds")
"""Of a record."""


class Stage:
    """A trained part, or the place for one."""

    def __init__(self, path: Path, name: str, parts: Mapping[str, Any]) -> None:
        self.path, self.name, self.parts = path, name, parts

    @property
    def finished(self) -> bool:
        """Whether it is there to be taken; one whose record is damaged is not."""
        try:
            self.record()
        except DataError:
            return False
        return True

    def record(self) -> dict[str, Any]:
        """What ``stage.json`` says.

        Raises:
            DataError: there is none, it is not JSON, or lacks something.
        """
        file = self.path / _RECORD
        try:
            record = dict(json.loads(file.read_bytes()))
            return {field: record[field] for field in _FIELDS}
        except (OSError, ValueError, TypeError) as error:
            message = f"{file}: not the record of a stage: {error}"
            raise DataError(message) from error
        except KeyError as error:
            message = f"{file}: not the record of a stage: it has no {error}"
            raise DataError(message) from error

    def take(self, folder: Path) -> list[dict[str, Any]]:
        """Link its checkpoint into a folder of checkpoints; the records of its training.

        Raises:
            CheckpointError: it is damaged.
            ResourceError: the folder cannot be written.
        """
        checkpoint.load(checkpoint.newest(self.path))
        records = list(read_lines(self.path / _RECORDS))
        checkpoint.link(self.path, folder)
        os.utime(self.path / _RECORD)  # when it was last used
        return records

    def leave(self, folder: Path, records: Iterable[Mapping[str, Any]], run: Path, seconds: float) -> None:
        """Link the newest checkpoint of a folder here, which makes the stage finished.

        Raises:
            ResourceError: it cannot be written.
        """
        self.remove()
        for old in self.path.glob("ckpt-*"):
            shutil.rmtree(old)
        checkpoint.link(folder, self.path)
        write_lines(self.path / _RECORDS, records)
        record = dict(zip(_FIELDS, (self.name, self.parts, str(run), now(), seconds), strict=True))
        write_text(self.path / _RECORD, json.dumps(record, indent=1) + "\n")

    def remove(self) -> None:
        """Make it unfinished; runs keep what they took."""
        (self.path / _RECORD).unlink(missing_ok=True)

    @property
    def used(self) -> float:
        """When it was last trained or taken, in seconds since the epoch."""
        return (self.path / _RECORD).stat().st_mtime


class Stages:
    """The stages beside some runs."""

    def __init__(self, runs_dir: Path) -> None:
        self.folder = runs_dir / FOLDER

    def of(self, name: str, parts: Mapping[str, Any]) -> Stage:
        """The stage of a name that is shaped by ``parts``, finished or not."""
        return Stage(self.folder / f"{name.replace(' ', '-')}-{digest(parts)[:16]}", name, parts)

    @contextmanager
    def claimed(self, stage: Stage, progress: Progress) -> Iterator[None]:
        """Keep others from training a stage, once those who are have finished.

        Raises:
            ResourceError: the folder cannot be made.
        """
        try:
            stage.path.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            message = f"{stage.path}: cannot be made: {error.strerror or error}"
            raise ResourceError(message) from error
        lock = FileLock(stage.path / ".lock")
        try:
            lock.acquire(timeout=0)
        except Timeout:
            progress.note(f"{stage.name}: another run trains the same one; waiting for it")
            lock.acquire()
        try:
            yield
        finally:
            lock.release()

    def finished(self) -> list[Stage]:
        """All that can be taken, the one used last first."""
        stages = []
        for stage in self._recorded():
            with suppress(DataError):  # it is damaged
                record = stage.record()
                stages.append(Stage(stage.path, record["name"], record["parts"]))
        return sorted(stages, key=lambda stage: stage.used, reverse=True)

    def damaged(self) -> list[Stage]:
        """Those whose record cannot be read."""
        return [stage for stage in self._recorded() if not stage.finished]

    def prune(self, days: float) -> list[Stage]:
        """Remove what is damaged or has not been used for so many days, and say what that was.

        Runs keep what they took.
        """
        old = [stage for stage in self.finished() if time.time() - stage.used >= days * 24 * 3600] + self.damaged()
        for stage in old:
            shutil.rmtree(stage.path, ignore_errors=True)
        return old

    def _recorded(self) -> list[Stage]:
        """All that have a record, readable or not."""
        return [Stage(file.parent, "", {}) for file in sorted(self.folder.glob(f"*/{_RECORD}"))]


def model_parts(recipe: Recipe, data: str, device: str) -> dict[str, Any]:
    """What shapes a recipe's trained sequence model; ``data`` is the content's hash, ``device`` such as ``cpu``."""
    components = (recipe.data, recipe.discretizer, recipe.model)
    return {**training_parts(recipe), **_surroundings(components, data, device)}


def learner_parts(recipe: Recipe, learner: LearningFields, data: str, device: str) -> dict[str, Any]:
    """What shapes a recipe's trained critic or baseline."""
    return {**learning_parts(recipe, learner), **_surroundings((recipe.data, learner), data, device)}


def wanted(recipe: Recipe, progress: Progress) -> dict[str, dict[str, Any]]:
    """What shapes every part that a recipe trains, by the part's name; the data is opened or collected.

    Raises:
        DataError: something about the data is wrong.
    """
    data = load_data(recipe, progress).source.provenance.sha256
    return stage_parts(recipe, data, resolve_device(recipe.device).type)


def stage_parts(recipe: Recipe, data: str, device: str) -> dict[str, dict[str, Any]]:
    """What shapes every part that a recipe trains, by the part's name; the data is named by its content's hash."""
    parts = {name: learner_parts(recipe, config, data, device) for name, config in learners(recipe).items()}
    return ({"model": model_parts(recipe, data, device)} if recipe.model else {}) | parts


def nearest(stages: Iterable[Stage], stage: Stage) -> Stage | None:
    """The one of the same name from which a stage differs in the fewest places, if there is any."""
    named = [other for other in stages if other.name == stage.name]
    return min(named, key=lambda other: len(list(differences(other.parts, stage.parts))), default=None)


def differences(found: Any, wanted: Any, at: str = "") -> Iterator[tuple[str, Any, Any]]:  # noqa: ANN401  (JSON)
    """Path, value found and value wanted of everything that differs between two parts."""
    if isinstance(found, dict) and isinstance(wanted, dict):
        for key in sorted({*found, *wanted}):
            yield from differences(found.get(key), wanted.get(key), f"{at}.{key}" if at else key)
    elif found != wanted:
        yield at, found, wanted


def _surroundings(components: Iterable[object], data: str, device: str) -> dict[str, Any]:
    installed = versions()
    packages = {"ttf", *(package_of(type(part).__module__) for part in components if part)}
    code = {package: _code(package) for package in packages}
    return {
        "data_sha256": data,
        "device": device,
        "code": code,
        **{name: installed[name] for name in ("torch", "numpy")},
    }


@cache
def package_of(module: str) -> str:
    """The package whose source is a component's: that of its plugin, if it is inside one, else the outermost one."""
    plugins = {point.module for point in entry_points(group=GROUP)}
    packages = {plugin if hasattr(sys.modules.get(plugin), "__path__") else _parent(plugin) for plugin in plugins}
    around = [package for package in packages if f"{module}.".startswith(f"{package}.")]
    return max(around, key=len, default=module.partition(".")[0])


def _parent(module: str) -> str:
    """The package of a module; itself if it is in none."""
    return module.rpartition(".")[0] or module


@cache
def _code(package: str) -> str:
    """Hash of all source files of a package, or of a module that is none."""
    module = sys.modules[package]
    folders = [Path(folder) for folder in getattr(module, "__path__", ())]
    files = [(folder, file) for folder in folders for file in sorted(folder.rglob("*.py"))]
    if not folders and (file := getattr(module, "__file__", None)):  # that of a notebook has none
        files = [(Path(file).parent, Path(file))]
    hashed = hashlib.sha256()
    for folder, file in files:
        hashed.update(file.relative_to(folder).as_posix().encode() + b"\0" + file.read_bytes())
    return hashed.hexdigest()[:16]
