"""ttf report: write the HTML report of finished runs again, or make videos of them."""

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
  ttf report runs/pointmaze_beam_search/20260102-030405 --kind video
  ttf report RUN --kind video --set 'reporters=[{kind: video, view: render, format: gif}]'
"""


@click.command(epilog=EPILOG)
@click.argument(
    "runs", metavar="RUN...", nargs=-1, required=True, type=click.Path(exists=True, file_okay=False, path_type=Path)
)
@click.option("--kind", type=click.Choice(("html", "video")), default="html", help="What to write.", show_default=True)
@click.option("--set", "overrides", metavar="PATH=VALUE", multiple=True, help="Change the reporters of the recipe.")
def report(runs: tuple[Path, ...], kind: str, overrides: tuple[str, ...]) -> None:
    """Write the HTML report of runs again, or videos of their evaluation episodes."""
    from ttf.registry import load_registry

    registry = load_registry()
    default = reporter_of(registry, kind)
    for override in overrides:
        if not override.startswith(("reporters=", "reporters.")):
            message = f"--set {override}: of a finished run, only 'reporters' can be changed here"
            raise RecipeError(message)
    for folder in map(open_run, runs):
        listed = _listed(registry, folder, kind, overrides) if overrides or kind != "html" else None
        (listed or default).build(folder).finish()
        written = folder.report if kind == "html" else folder.videos
        if written.exists():  # a video that cannot be made is a note, no error
            click.echo(written)


def _listed(registry: Registry, run: RunDir, kind: str, overrides: tuple[str, ...]) -> ReporterConfig | None:
    """The reporter of a kind as the run's recipe has it, if it does.

    Raises:
        RecipeError: the recipe or an override is wrong.
    """
    from ttf.recipe import load

    reporters = load(run.recipe, registry, overrides).reporters
    return next((config for config in reporters if config.kind == kind), None)


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


def reporter_of(registry: Registry, kind: str = "html") -> ReporterConfig:
    """The reporter of a kind, with its defaults.

    Raises:
        PluginError: no plugin offers it.
    """
    from typing import cast

    found = registry.components("reporters").get(kind)
    if found is None:
        message = registry.why_missing(kind) or f"no plugin offers the reporter {kind!r}"
        raise PluginError(message)
    return cast("ReporterConfig", found.model_validate({}))
