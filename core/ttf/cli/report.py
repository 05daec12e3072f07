"""ttf report: write the HTML report of finished runs again."""

from __future__ import annotations

from pathlib import Path

import click

from ttf.errors import PluginError, RecipeError

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
    from typing import cast

    from ttf.component import ReporterConfig
    from ttf.registry import load_registry
    from ttf.run_dir import RunDir

    registry = load_registry()
    found = registry.components("reporters").get("html")
    if found is None:
        message = registry.why_missing("html") or "no plugin offers the reporter 'html'"
        raise PluginError(message)
    reporter = cast("ReporterConfig", found.model_validate({}))
    for folder in map(RunDir, runs):
        if not folder.recipe.exists():
            message = f"{folder.path}: not a run folder; it has no {folder.recipe.name}"
            raise RecipeError(message)
        reporter.build(folder).finish()
        click.echo(folder.report)
