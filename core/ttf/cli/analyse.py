"""ttf analyse: ask questions of a finished run."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from ttf.cli.report import open_run, reporter_of
from ttf.errors import RecipeError, did_you_mean

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ttf.component import AnalysisConfig
    from ttf.recipe import Recipe
    from ttf.registry import Registry

EPILOG = """\b
Examples:
  ttf analyse runs/hopper/20260102-030405
  ttf analyse runs/hopper/20260102-030405 --kind attention
  ttf analyse runs/hopper/20260102-030405 --set 'analyses=[{kind: prediction_error, steps: 50}]'
"""


@click.command(epilog=EPILOG)
@click.argument("run", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--kind", "kinds", multiple=True, help="Run this analysis, listed or not; may be repeated.")
@click.option("--set", "overrides", metavar="PATH=VALUE", multiple=True, help="Change an analysis; may be repeated.")
@click.option("--device", help="Where to compute: auto, cpu, cuda, cuda:N or mps.")
def analyse(run: Path, kinds: tuple[str, ...], overrides: tuple[str, ...], device: str | None) -> None:
    """Run the analyses of RUN's recipe on its trained model, and write its report again.

    Analyses that are there already are left as they are.
    """
    from ttf.recipe import load
    from ttf.registry import load_registry

    registry = load_registry()
    folder, reporter = open_run(run), reporter_of(registry)
    for override in overrides:
        if not override.startswith(("analyses=", "analyses.")):
            message = f"--set {override}: of a finished run, only 'analyses' can be changed"
            raise RecipeError(message)
    recipe = load(folder.recipe, registry, overrides, {"device": device} if device else {})
    chosen = _chosen(registry, recipe, kinds)
    if not chosen:
        known = ", ".join(registry.kinds("analyses")) or "none"
        message = f"{folder.path}: its recipe lists no analyses; choose one with --kind; known: {known}"
        raise RecipeError(message)

    from ttf.analyse import analyse as run_on
    from ttf.cli.progress import make_progress

    with make_progress() as progress:
        run_on(folder, recipe, chosen, progress)
    reporter.build(folder).finish()
    click.echo(f"report: {folder.report}")


def _chosen(registry: Registry, recipe: Recipe, kinds: Iterable[str]) -> dict[str, AnalysisConfig]:
    """The recipe's analyses by name, or those of some kinds; a kind that it does not list has its defaults."""
    from ttf.component import AnalysisConfig
    from ttf.recipe import named

    listed = named(recipe.analyses)
    if not kinds:
        return listed
    chosen: dict[str, AnalysisConfig] = {}
    components = registry.components("analyses")
    for kind in kinds:
        if kind not in components:
            reason = registry.why_missing(kind)
            nearest = did_you_mean(kind, registry.kinds("analyses"))
            message = f"--kind {kind}: {f'not available: {reason}' if reason else f'unknown kind{nearest}'}"
            raise RecipeError(message)
        made = components[kind].model_validate({})
        assert isinstance(made, AnalysisConfig)  # noqa: S101  (components keep the rules of their slot)
        chosen |= {name: config for name, config in listed.items() if config.kind == kind} or {kind: made}
    return chosen
