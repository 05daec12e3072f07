"""The trained parts of a run, exported to a folder, to plan with again without its data and without training.

============================ ==============================================================================
pretrained.json              the recipe's sections they were made from, the environment, what was measured
model/ckpt-NUMBER/           the sequence model and the discretizer, see :mod:`ttf.checkpoint`
critic/ckpt-NUMBER/          the critic, where there is one
============================ ==============================================================================
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict, ValidationError

from ttf import checkpoint
from ttf.checkpoint import Checkpoint
from ttf.errors import CheckpointError, RecipeError
from ttf.learn import learned_checkpoint
from ttf.registered import plain_options
from ttf.run_dir import write_text
from ttf.runs import plain_section

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from torch import Tensor

    from ttf.recipe import Recipe
    from ttf.run_dir import RunDir

FORMAT = 1
"""Version of the folder's format."""

SECTIONS = ("data", "discretizer", "model", "critic", "training")
"""The sections of a recipe that shape the trained parts."""

NAME = "pretrained.json"


class Described(BaseModel):
    """The content of pretrained.json."""

    model_config = ConfigDict(frozen=True, strict=True)

    format: int
    recipe: str
    sections: dict[str, dict[str, Any] | None]
    data: dict[str, Any]
    """Id, hash and counts of the data set."""

    observation: int
    """Width of an observation."""

    action: int
    environment: str | None
    options: dict[str, Any]
    """Of the environment, plain data."""

    keys: list[str] | None
    """Entries of the observation, in order."""

    dims: list[int] | None
    """Dimensions of it."""

    made: dict[str, Any]
    """When, with which versions, on which machine, in how much time."""

    result: dict[str, Any] | None
    """What was measured with them."""


def export(run: RunDir, recipe: Recipe, folder: Path) -> None:
    """Write the trained parts of a run to a new folder.

    Raises:
        CheckpointError: the run has none.
        ResourceError: the folder cannot be written.
    """
    saved, _ = checkpoint.load_newest(run.checkpoints)
    record = run.read("run") or {}
    if saved is None or recipe.training is None or saved.step < recipe.training.steps:
        message = f"{run.path}: the sequence model is not trained to the end; there is nothing to export"
        raise CheckpointError(message)
    critic = None
    if recipe.critic is not None:
        critic = learned_checkpoint(recipe, run, "critic", recipe.critic)
        if critic is None or critic.step < recipe.critic.updates:
            message = f"{run.path}: the critic is not trained to the end; there is nothing to export"
            raise CheckpointError(message)
    _save(folder / "model", saved.step, {name: saved.tensors[name] for name in ("model", "discretizer")})
    if critic is not None:
        _save(folder / "critic", critic.step, {"learner": critic.tensors["learner"]})
    described = Described(
        format=FORMAT,
        recipe=recipe.name,
        sections=_sections(recipe),
        data=record["data"],
        **record["source"],
        made={name: record[name] for name in ("finished", "seed", "versions", "git", "machine", "timings")},
        result=run.read("result"),
    )
    write_text(folder / NAME, json.dumps(described.model_dump(), indent=1) + "\n")


def _save(folder: Path, step: int, tensors: dict[str, dict[str, Tensor]]) -> None:
    checkpoint.save(folder, Checkpoint(step, tensors, {}), recipe_hash="")


class Pretrained:
    """An exported folder.

    Raises:
        CheckpointError: it is none, or has been damaged.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        try:
            self.described = Described.model_validate_json((folder / NAME).read_bytes())
        except OSError as error:
            inside = [file.parent for file in sorted(folder.glob(f"*/{NAME}"))]
            nearest = f"; did you mean {inside[0]}?" if inside else ""
            message = f"{folder}: no pretrained files: {NAME} cannot be read{nearest}"
            raise CheckpointError(message) from error
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            message = f"{folder / NAME}: {'.'.join(map(str, first['loc']))}: {first['msg']}"
            raise CheckpointError(message) from error
        if self.described.format > FORMAT:
            message = f"{folder / NAME}: written in format {self.described.format}; this ttf reads {FORMAT}"
            raise CheckpointError(message)

    @property
    def options(self) -> dict[str, Any]:
        """Options of the environment that are plain data."""
        return plain_options(str(self.described.environment), self.described.options)

    def tensors(self, part: str) -> dict[str, dict[str, Tensor]]:
        """The groups of tensors of a part, ``model`` or ``critic``.

        Raises:
            CheckpointError: it is not there, or damaged.
        """
        saved, _ = checkpoint.load_newest(self.folder / part)
        if saved is None:
            message = f"{self.folder}: no pretrained {part}"
            raise CheckpointError(message)
        return saved.tensors

    def check(self, recipe: Recipe) -> None:
        """Refuse a recipe that these files were not made from.

        A field that has come since they were written had its default then.

        Raises:
            RecipeError: a section that shapes them differs.
        """
        found, wanted = self.described.sections, _sections(recipe)
        for name in SECTIONS:
            section = getattr(recipe, name)
            defaults = plain_section(type(section)()) if section is not None else {}
            for place, theirs, ours in _differences(name, found.get(name), wanted[name], defaults):
                message = (
                    f"{place} is {json.dumps(ours)} in the recipe, but {json.dumps(theirs)} in the pretrained files "
                    f"{self.folder}; leave out --pretrained to train"
                )
                raise RecipeError(message)


def _sections(recipe: Recipe) -> dict[str, dict[str, Any] | None]:
    return {name: plain_section(part) if (part := getattr(recipe, name)) is not None else None for name in SECTIONS}


def _differences(
    name: str, found: Mapping[str, Any] | None, wanted: Mapping[str, Any] | None, defaults: Mapping[str, Any]
) -> Iterable[tuple[str, object, object]]:
    """Place, value found and value wanted of every difference."""
    if found is None or wanted is None or found.get("kind") != wanted.get("kind"):
        if found != wanted:
            yield name, (found or {}).get("kind"), (wanted or {}).get("kind")
        return
    for field in sorted({*found, *wanted}):
        theirs, ours = found.get(field, defaults.get(field)), wanted.get(field)
        if theirs != ours:
            yield f"{name}.{field}", theirs, ours
