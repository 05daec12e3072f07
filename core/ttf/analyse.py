"""Run analyses: with a recipe, or on a run folder that has been trained."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import torch

from ttf import checkpoint
from ttf.device import resolve_device
from ttf.errors import CheckpointError, DataError, RecipeError
from ttf.interfaces.analysis import Subject
from ttf.interrupts import handled
from ttf.prepare import load_data
from ttf.recipe import named
from ttf.runs import analysis_hash, locked
from ttf.seeds import stream
from ttf.training_state import seeded_weights

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ttf.checkpoint import Checkpoint
    from ttf.component import AnalysisConfig, ModelConfig
    from ttf.interfaces.discretizer import Discretizer
    from ttf.interfaces.model import SequenceModel
    from ttf.interfaces.progress import Progress
    from ttf.prepare import Data
    from ttf.recipe import Recipe
    from ttf.run_dir import RunDir


def askable(
    recipe: Recipe, data: Data, discretizer: Discretizer | None, progress: Progress
) -> dict[str, AnalysisConfig]:
    """The recipe's analyses by name, asked for before anything is trained, without those that its model is no kind for.

    Raises:
        DataError: the data cannot answer one.
        RecipeError: another section of the recipe does not fit one.
    """
    analyses = named(recipe.analyses)
    if not analyses:
        return {}
    model = None
    if discretizer is not None and recipe.model is not None:
        model = _untrained(recipe.model, discretizer, recipe.seed)
    reasons = _refusals(analyses, make_subject(recipe, data, discretizer, model, torch.device("cpu")))
    for name, reason in reasons.items():
        progress.note(f"analysis {name!r} is left out: {reason}")
    return {name: config for name, config in analyses.items() if name not in reasons}


def run_analyses(
    recipe: Recipe,
    run: RunDir,
    data: Data,
    discretizer: Discretizer | None,
    model: SequenceModel | None,
    analyses: Mapping[str, AnalysisConfig],
    progress: Progress,
) -> None:
    """Run a recipe's analyses on what it has just trained; those that are there already are left as they are."""
    device = resolve_device(recipe.device)
    subject = make_subject(recipe, data, discretizer, model, device)
    step = recipe.training.steps if recipe.training else 0
    ask(recipe, run, subject, step, analyses, progress)


def analyse(run: RunDir, recipe: Recipe, analyses: Mapping[str, AnalysisConfig], progress: Progress) -> None:
    """Run analyses by name on a run folder.

    Raises:
        RecipeError: the run lacks a part that an analysis needs, or its model is no kind for one.
        DataError: the data has changed, or cannot answer.
        CheckpointError: the run has no model yet, or it cannot be read.
    """
    for config in analyses.values():
        for section in config.requires:
            if not getattr(recipe, section):
                message = f"{run.path}: analysis {config.kind!r} needs a {section!r} section, and this run has none"
                raise RecipeError(message)
    device = resolve_device(recipe.device)
    with handled("run it again for the analyses that are missing"), locked(run):
        subject, step = load_subject(recipe, run, device, progress)
        for name, reason in _refusals(analyses, subject).items():
            message = f"analysis {name!r}: {reason}"
            raise RecipeError(message)
        ask(recipe, run, subject, step, analyses, progress)


def ask(
    recipe: Recipe,
    run: RunDir,
    subject: Subject,
    step: int,
    analyses: Mapping[str, AnalysisConfig],
    progress: Progress,
) -> None:
    """Run every analysis that has not been run on the model after ``step`` updates, and store what it finds."""
    for name, config in analyses.items():
        key = analysis_hash(recipe, config, step)
        before = run.read(run.analysis(name))
        if before is not None and before.get("key") == key:
            progress.note(f"analysis {name!r} is there already; what is removed from {run.analyses} is run again")
            continue
        if before is not None:
            progress.note(f"analysis {name!r}: its answer to {_asked(before, config)} will be replaced")
        started = time.perf_counter()
        findings = config.build().run(subject, seed=stream(recipe.seed, f"analysis {name}"), progress=progress)
        document = {
            "name": name,
            "key": key,
            "step": step,
            "config": config.model_dump(mode="json"),
            "seconds": round(time.perf_counter() - started, 1),
            "findings": findings.as_json(),
        }
        run.write_analysis(name, document)


def _asked(before: Mapping[str, Any], config: AnalysisConfig) -> str:
    """What was asked otherwise when the document before was written."""
    now = config.model_dump(mode="json")
    others = [f"{name}: {value}" for name, value in before.get("config", {}).items() if value != now.get(name)]
    return ", ".join(others) or "another model"


def make_subject(
    recipe: Recipe, data: Data, discretizer: Discretizer | None, model: SequenceModel | None, device: torch.device
) -> Subject:
    """What a run can be asked, all of it on its device."""
    return Subject(
        recipe.data,
        data.rows,
        data.held_out,
        discretizer.to(device) if discretizer is not None else None,
        model.to(device).eval().requires_grad_(requires_grad=False) if model is not None else None,
        device,
    )


def _refusals(analyses: Mapping[str, AnalysisConfig], subject: Subject) -> dict[str, str]:
    """Why models of this kind cannot be asked, by the name of the analysis."""
    reasons = {name: config.build().check(subject) for name, config in analyses.items()}
    return {name: reason for name, reason in reasons.items() if reason is not None}


def load_subject(recipe: Recipe, run: RunDir, device: torch.device, progress: Progress) -> tuple[Subject, int]:
    """What a run folder holds, and after how many updates.

    Raises:
        DataError: the data has changed.
        CheckpointError: the run has no model yet, or it cannot be read.
    """
    saved = _newest(run, progress) if recipe.model is not None else None  # before data is collected
    data = load_data(recipe, progress)
    before, provenance = (run.read("run") or {}).get("data", {}).get("sha256"), data.source.provenance
    if before != provenance.sha256:
        message = f"data set {provenance.id!r} has changed since {run.path} was made; it cannot be analysed"
        raise DataError(message)
    discretizer, model = _restored(recipe, data, saved)
    return make_subject(recipe, data, discretizer, model, device), saved.step if saved else 0


def _newest(run: RunDir, progress: Progress) -> Checkpoint:
    saved, problems = checkpoint.load_newest(run.checkpoints)
    if saved is None:
        planned = "pretrained" in (run.read("run") or {})
        why = "it planned with pretrained parts, and has no data" if planned else "its model is not trained yet"
        message = f"{run.path}: the run has no checkpoint; {why}"
        raise CheckpointError(message)
    for problem in problems:
        progress.note(f"{problem}; the model after step {saved.step} is analysed")
    return saved


def _restored(recipe: Recipe, data: Data, saved: Checkpoint | None) -> tuple[Discretizer | None, SequenceModel | None]:
    """The discretizer and the model of a checkpoint; without one, the discretizer as the data makes it.

    Raises:
        CheckpointError: the checkpoint was made for others.
    """
    if recipe.discretizer is None:
        return None, None
    discretizer = recipe.discretizer.build(data.rows.layout)
    if saved is None or recipe.model is None:
        discretizer.fit(torch.from_numpy(data.rows.values))
        return discretizer, None
    model = _untrained(recipe.model, discretizer, recipe.seed)
    try:
        discretizer.load_state_dict(saved.tensors["discretizer"])
        model.load_state_dict(saved.tensors["model"])
    except (RuntimeError, LookupError) as error:
        message = f"the checkpoint of step {saved.step} does not fit this recipe's model: {error}"
        raise CheckpointError(message) from error
    return discretizer, model


def _untrained(config: ModelConfig, discretizer: Discretizer, seed: int) -> SequenceModel:
    """A recipe's model with fresh weights."""
    with seeded_weights(seed, "model"):
        return config.build(discretizer.layout, discretizer.bins)
