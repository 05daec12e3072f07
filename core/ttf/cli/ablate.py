"""ttf ablate: swap parts of a recipe and compare."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from ttf.cli.kinds import KindsCommand
from ttf.cli.shipped import complete_recipes, find_recipe
from ttf.errors import ResourceError

if TYPE_CHECKING:
    from ttf.ablate.comparison import Comparison
    from ttf.ablate.study import Study

EPILOG = """\b
Examples:
  ttf ablate pointmaze_beam_search --swap discretizer=uniform,quantile --swap decoder.beam_width=8,32 --seeds 5
  ttf ablate pointmaze_beam_search --swap model=gpt,lstm --dry-run
  ttf ablate my.yaml --swap 'discretizer={kind: uniform, bins: 50},quantile' --set launcher.kind=slurm
  ttf ablate my.yaml --resume
"""


@click.command(cls=KindsCommand, epilog=EPILOG)
@click.argument("recipe", shell_complete=complete_recipes)
@click.option(
    "--swap", "swaps", metavar="WHAT=A,B,...", multiple=True, help="A slot and its kinds, or a field and values."
)
@click.option("--seeds", type=click.IntRange(1, 1000), help="Seeds of every cell.  [default: the recipe's, or 5]")
@click.option("--set", "overrides", metavar="PATH=VALUE", multiple=True, help="Change the recipe; may be repeated.")
@click.option(
    "--runs-dir",
    type=click.Path(file_okay=False, path_type=Path),
    default="runs",
    show_default=True,
    help="Folder of the runs whose trained parts are shared; the study gets its own folder in it.",
)
@click.option("--dry-run", is_flag=True, help="Check everything, and show what would be trained and what is there.")
@click.option("--resume", is_flag=True, help="Go on with this study: run what is missing or has failed.")
def ablate(
    recipe: str,
    swaps: tuple[str, ...],
    seeds: int | None,
    overrides: tuple[str, ...],
    runs_dir: Path,
    *,
    dry_run: bool,
    resume: bool,
) -> None:
    """Swap parts of RECIPE, run every combination with several seeds, and compare them to the recipe as given.

    All cells learn from the same data and are asked the same episodes. Parts that several share are trained once.
    Without --swap, what the recipe's own `study` section says is swapped.
    """
    from ttf.ablate.study import load_study
    from ttf.registry import load_registry

    registry = load_registry()
    study = load_study(find_recipe(recipe), registry, overrides, swaps, seeds, lambda text: click.echo(text, err=True))
    if dry_run:
        _print_plan(study, runs_dir)
        return

    from ttf.ablate.comparison import compare
    from ttf.ablate.launching import launch
    from ttf.ablate.page import render
    from ttf.ablate.study_dir import create_study, newest_study
    from ttf.cli.progress import make_progress
    from ttf.interrupts import handled
    from ttf.recipe import default_launcher
    from ttf.run_dir import write_text

    launcher = (study.recipe.launcher or default_launcher(registry)).build()
    folder = newest_study(runs_dir, study) if resume else create_study(runs_dir, study)
    with make_progress() as progress, handled():
        failures = launch(study, folder, launcher, runs_dir, progress)
    comparison = compare(study, folder)
    folder.write("comparison", comparison.as_json())
    write_text(folder.comparison, render(comparison, study, folder))
    _print_comparison(comparison)
    click.echo(f"report: {folder.comparison}")
    if failures:
        first, reason = next(iter(failures.items()))
        message = f"{len(failures)} of {sum(1 for _ in study.trials)} trials have failed, {first} first: {reason}"
        raise ResourceError(message)


def _print_plan(study: Study, runs_dir: Path) -> None:
    from rich import box
    from rich.markup import escape
    from rich.table import Table

    from ttf.ablate.stage_plan import planned_stages
    from ttf.ablate.table import labelled
    from ttf.cli.output import make_console
    from ttf.stages import Stages

    planned = planned_stages(study.trials, Stages(runs_dir))
    names = list(dict.fromkeys(stage.name for stage in planned))
    table = Table("cell", "seeds", *names, box=box.SIMPLE_HEAD)
    for cell, trials in study.cells.items():
        said = []
        for name in names:
            mine = [stage for stage in planned if stage.name == name and any(t.cell == cell for t in stage.trials)]
            kept = sum(stage.kept for stage in mine)
            trained = sum(not stage.kept and stage.trials[0].cell == cell for stage in mine)
            counts = {"train": trained, "trained already": kept, "shared": len(mine) - kept - trained}
            said.append(", ".join(f"{count} {what}" for what, count in counts.items() if count) or "-")
        table.add_row(escape(labelled(cell, study.base)), str(len(trials)), *said)
    make_console().print(table)
    trained, total = sum(not stage.kept for stage in planned), sum(len(stage.trials) for stage in planned)
    click.echo(f"{sum(1 for _ in study.trials)} trials; {trained} parts to train, of {total} that they need")


def _print_comparison(comparison: Comparison) -> None:
    from rich import box
    from rich.markup import escape
    from rich.table import Table

    from ttf.ablate.table import HEADINGS, rows
    from ttf.cli.output import make_console

    table = Table(box=box.SIMPLE_HEAD)
    for heading in HEADINGS:
        table.add_column(heading, justify="left" if heading == "cell" else "right")
    for row in rows(comparison):
        label = escape(row.label)
        table.add_row(f"[bold]{label}[/bold]" if row.best else label, *(escape(figure) for figure in row.figures))
    make_console().print(table)
