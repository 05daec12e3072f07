"""The page of a comparison."""

from __future__ import annotations

from importlib.resources import files
from typing import TYPE_CHECKING

from jinja2 import Environment, StrictUndefined

from ttf.ablate.figures import pictures
from ttf.ablate.table import HEADINGS, rows
from ttf.paper import page_style

if TYPE_CHECKING:
    from ttf.ablate.comparison import Comparison
    from ttf.ablate.study import Study, Trial
    from ttf.ablate.study_dir import StudyDir


def render(comparison: Comparison, study: Study, folder: StudyDir) -> str:
    """The page, complete in itself."""
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    text = files("ttf.ablate").joinpath("comparison.html.jinja").read_text(encoding="utf-8")
    return environment.from_string(text).render(
        comparison=comparison,
        rows=rows(comparison),
        pictures=pictures(comparison, study, folder) if comparison.cells else [],
        headings=HEADINGS,
        links={cell: [(trial.seed, _link(folder, trial)) for trial in trials] for cell, trials in study.cells.items()},
        style=page_style(),
    )


def _link(folder: StudyDir, trial: Trial) -> str:
    """To the report of a run, or to its folder where it has none."""
    run = folder.run(trial)
    return str((run.report if run.report.exists() else run.path).relative_to(folder.path))
