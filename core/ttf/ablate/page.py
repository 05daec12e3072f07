"""The page of a comparison."""

from __future__ import annotations

from importlib.resources import files
from typing import TYPE_CHECKING, NamedTuple

from jinja2 import Environment, StrictUndefined

from ttf.ablate.figures import pictures
from ttf.ablate.table import REST, SCORES, names, rows, verdict
from ttf.paper import page_style
from ttf.plurals import counted

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from ttf.ablate.comparison import Comparison
    from ttf.ablate.study import Study, Trial
    from ttf.ablate.study_dir import StudyDir


class Link(NamedTuple):
    """To a file of a trial, from the page."""

    seed: int
    path: str


def render(comparison: Comparison, study: Study, folder: StudyDir) -> str:
    """The page, complete in itself."""
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    text = files("ttf.ablate").joinpath("comparison.html.jinja").read_text(encoding="utf-8")
    failed = [trial for trial in study.trials if trial.name in comparison.failures]
    return environment.from_string(text).render(
        comparison=comparison,
        facts=[*_facts(comparison, study, folder)],
        recipe=folder.recipe.name if folder.recipe.exists() else None,
        verdict=verdict(comparison),
        rows=rows(comparison),
        pictures=pictures(comparison, study, folder) if comparison.cells else [],
        heading=names(comparison).heading,
        scores=SCORES,
        rest=REST,
        failed=[(trial.name, comparison.failures[trial.name], _log(folder, trial)) for trial in failed],
        logs={name: [log for trial in trials if (log := _log(folder, trial))] for name, trials in study.cells.items()},
        runs={
            name: [Link(trial.seed, _run(folder, trial)) for trial in trials if folder.run(trial).path.exists()]
            for name, trials in study.cells.items()
        },
        style=page_style(),
    )


def _facts(comparison: Comparison, study: Study, folder: StudyDir) -> Iterator[str]:
    """What has been compared, when and with what."""
    yield counted(len(study.cells), "cell")
    yield counted(len(next(iter(study.cells.values()))), "seed")
    if not comparison.cells:
        return
    yield f"{counted(comparison.cells[0].scores.shape[1], 'episode')} each, compared by {comparison.metric}"
    compared = [trial for cell in comparison.cells for trial in study.cells[cell.name] if trial.seed in cell.seeds]
    records = [folder.run(trial).read("run") for trial in compared]
    yield str(max(record["finished"] for record in records)).partition("T")[0]
    machine, versions = records[0]["machine"], records[0]["versions"]
    yield f"trajectory-transformer {versions['trajectory-transformer']}, torch {versions['torch']}"
    yield f"Python {machine['python']} on {machine['processor']}"


def _run(folder: StudyDir, trial: Trial) -> str:
    """The report of a run, or its folder where it has none."""
    run = folder.run(trial)
    return _within(folder, run.report if run.report.exists() else run.path)


def _log(folder: StudyDir, trial: Trial) -> Link | None:
    log = folder.log(trial)
    return Link(trial.seed, _within(folder, log)) if log.exists() else None


def _within(folder: StudyDir, file: Path) -> str:
    return str(file.relative_to(folder.path))
