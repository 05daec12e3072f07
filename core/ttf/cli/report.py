"""ttf report: write the HTML report of finished runs again."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from ttf.errors import PluginError, RecipeError

if TYPE_CHECKING:
    from ttf.component import ReporterConfig
    from ttf.registry import Registry
    from ttf.run_dir import RunDir

EPILOG = """\b
Examples:
  ttf report runs/pointmaze_beam_search
  ttf report runs/*
"""


@click.command(epilog=EPILOG)
@click.argument(
    "runs", metavar="RUN...", nargs=-1, required=True, type=click.Path(exists=True, file_okay=False, path_type=Path)
)
def report(runs: tuple[Path, ...]) -> None:
    """Write the HTML report of runs again."""
    from ttf.registry import load_registry

    reporter = html_reporter(load_registry())
    for folder in map(open_run, runs):
        reporter.build(folder).finish()
        click.echo(folder.report)


def open_run(path: Path) -> RunDir:
    """A run folder.

    Raises:
        RecipeError: it is none.
    """
    from ttf.run_dir import RunDir

    folder = RunDir(path)
    if not folder.recipe.exists():
        message = f"{folder.path}: not a run folder; it has no {folder.recipe.name}"
        raise RecipeError(message)
    return folder


def html_reporter(registry: Registry) -> ReporterConfig:
    """The reporter `html`.

    Raises:
        PluginError: no plugin offers it.
    """
    from typing import cast

    found = registry.components("reporters").get("html")
    if found is None:
        message = registry.why_missing("html") or "no plugin offers the reporter 'html'"
        raise PluginError(message)
    return cast("ReporterConfig", found.model_validate({}))
