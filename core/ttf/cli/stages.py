"""ttf stages: the trained parts that runs share."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ttf.cli.shipped import find_recipe
from ttf.errors import RecipeError

if TYPE_CHECKING:
    from collections.abc import Callable

    from ttf.stages import Stage

RUNS_DIR = click.option(
    "--runs-dir",
    type=click.Path(file_okay=False, path_type=Path),
    default="runs",
    show_default=True,
    help="Folder of the runs that share them.",
)

EPILOG = """\b
Examples:
  ttf stages list
  ttf stages why pointmaze_beam_search --set model.width=128
  ttf stages prune --days 30
"""


@click.group(epilog=EPILOG)
def stages() -> None:
    """The models, critics and baselines that runs have trained, for other runs to take.

    A run takes what another has trained from the same data with the same options, code and seed; --fresh leaves that.
    """


@stages.command(name="list")
@RUNS_DIR
def list_(runs_dir: Path) -> None:
    """Show all, the one used last first."""
    from rich.markup import escape

    from ttf.cli.output import make_console, make_table
    from ttf.stages import Stages

    table = make_table("stage", "trained", "seconds", "by")
    for column in table.columns[:-1]:
        column.no_wrap = True
    kept = Stages(runs_dir)
    for stage in kept.finished():
        record = stage.record()
        table.add_row(stage.path.name, record["finished"], f"{record['seconds']:.0f}", escape(record["run"]))
    make_console().print(table)
    for stage in kept.damaged():
        click.echo(f"{stage.path.name}: its record is damaged; it is trained again, or removed by 'ttf stages prune'")


@stages.command()
@click.argument("recipe")
@click.option("--set", "overrides", metavar="PATH=VALUE", multiple=True, help="Change the recipe; may be repeated.")
@RUNS_DIR
def why(recipe: str, overrides: tuple[str, ...], runs_dir: Path) -> None:
    """Say of every part that RECIPE trains whether it is there, and what differs from the nearest one if not.

    The data is opened or collected, as its content counts.
    """
    from ttf.cli.progress import make_progress
    from ttf.recipe import load
    from ttf.registry import load_registry
    from ttf.stages import Stages, nearest, wanted

    checked = load(find_recipe(recipe), load_registry(), overrides, None, lambda text: click.echo(text, err=True))
    kept = Stages(runs_dir)
    with make_progress() as progress:
        parts = wanted(checked, progress)
    if not parts:
        message = f"{recipe}: nothing is trained"
        raise RecipeError(message)
    for name, shaped_by in parts.items():
        stage = kept.of(name, shaped_by)
        if stage.finished:
            click.echo(f"{name}: is there, {stage.path.name}")
            continue
        found = nearest(kept.finished(), stage)
        click.echo(f"{name}: must be trained; {'there is none yet' if found is None else _differs(found, stage)}")


def _differs(found: Stage, stage: Stage) -> str:
    from ttf.stages import differences

    said: Callable[[object], str] = json.dumps
    places = [f"{at} is {said(new)}, not {said(old)}" for at, old, new in differences(found.parts, stage.parts)]
    return f"of the nearest one, {found.path.name}, differs: {'; '.join(places)}"


@stages.command()
@click.option("--days", type=click.FloatRange(0), default=30.0, show_default=True, help="For how long they were idle.")
@RUNS_DIR
def prune(days: float, runs_dir: Path) -> None:
    """Remove stages that no run has trained or taken for some time, and damaged ones; runs keep what they took."""
    from ttf.stages import Stages

    for stage in Stages(runs_dir).prune(days):
        click.echo(f"removed {stage.path.name}")
