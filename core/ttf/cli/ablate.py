"""ttf ablate: swap parts of a recipe and compare."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from ttf.cli.kinds import KindsCommand
from ttf.cli.shipped import complete_recipes, find_recipe
from ttf.errors import ResourceError
from ttf.plurals import counted

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.table import Table

    from ttf.ablate.comparison import Comparison
    from ttf.ablate.stage_plan import PlannedStage
    from ttf.ablate.study import Study, Trial

_LONGEST = 20
"""Letters of a name that stay on one line rather than intervals beside their estimates."""

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
@click.option("--dry-run", is_flag=True, help="Check everything, and show what would run, train and be shared.")
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

    All cells are asked the same episodes, and learn from the same data unless `data` is swapped, which it may be as
    long as the world stays the same. Parts that several share are trained once.
    Without --swap, what the recipe's own `study` section says is swapped.
    """
    from ttf.ablate.study import check_parts, load_study
    from ttf.registry import load_registry

    def note(text: str) -> None:
        click.echo(text, err=True)

    registry = load_registry()
    study = load_study(find_recipe(recipe), registry, overrides, swaps, seeds, note)

    from ttf.ablate.launching import launch, missing
    from ttf.ablate.study_dir import create_study, newest_study

    begun = newest_study(runs_dir, study, note) if resume else None
    trials = missing(study, begun, note) if begun else [*study.trials]
    check_parts(trials)
    if dry_run:
        print_plan(study, trials, runs_dir, resume=resume)
        return

    from ttf.ablate.comparison import compare
    from ttf.ablate.page import render
    from ttf.cli.progress import make_progress
    from ttf.interrupts import handled
    from ttf.recipe import default_launcher
    from ttf.run_dir import write_text

    launcher = (study.recipe.launcher or default_launcher(registry)).build()
    folder = begun or create_study(runs_dir, study)
    with make_progress() as progress, handled():
        failures = launch(study, folder, launcher, runs_dir, progress)
    comparison = compare(study, folder)
    folder.write("comparison", comparison.as_json())
    write_text(folder.comparison, render(comparison, study, folder))
    if comparison.cells:
        print_comparison(comparison)
        click.echo(f"report: {folder.comparison}")
    if failures:
        first, reason = next(iter(failures.items()))
        message = f"{len(failures)} of {counted(sum(1 for _ in study.trials), 'trial')} failed, {first} first: {reason}"
        raise ResourceError(message)


def print_plan(study: Study, trials: Sequence[Trial], runs_dir: Path, *, resume: bool) -> None:
    """Say which trials would run, of which what an earlier run has trained and what cells share."""
    from rich.markup import escape

    from ttf.ablate.names import short_names
    from ttf.ablate.stage_plan import planned_stages
    from ttf.ablate.table import labelled
    from ttf.cli.output import make_console, make_table
    from ttf.stages import Stages

    planned = planned_stages(trials, Stages(runs_dir))
    parts = list(dict.fromkeys(stage.name for stage in planned))
    heading, short = short_names([*study.cells])
    table = make_table(heading, "missing" if resume else "seeds", *parts)
    for cell in study.cells:
        seeds = [str(trial.seed) for trial in trials if trial.cell == cell]
        counts = (_counts(cell, [stage for stage in planned if stage.name == part]) for part in parts)
        said = (f"seed {', '.join(seeds)}" if seeds else "-") if resume else str(len(seeds))
        table.add_row(escape(labelled(cell, study.base, short)), said, *counts)
    make_console().print(table)
    trained, total = sum(not stage.kept for stage in planned), sum(len(stage.trials) for stage in planned)
    every = counted(sum(1 for _ in study.trials), "trial")
    episodes = counted(study.recipe.evaluation.episodes if study.recipe.evaluation else 0, "episode")
    runs = f"{len(trials)} of {every} missing" if resume else f"{every} of {episodes}"
    click.echo(f"{runs}; {counted(trained, 'part')} to train, of {total} that they need")
    click.echo("Data is not looked at: what is trained already counts as long as the content of its data is the same.")


def _counts(cell: str, planned: Sequence[PlannedStage]) -> str:
    """Of the parts that a cell needs, how many it trains, finds and shares."""
    mine = [stage for stage in planned if any(trial.cell == cell for trial in stage.trials)]
    kept = sum(stage.kept for stage in mine)
    trained = sum(not stage.kept and stage.trials[0].cell == cell for stage in mine)
    counts = {"train": trained, "trained already": kept, "shared": len(mine) - kept - trained}
    return ", ".join(f"{count} {what}" for what, count in counts.items() if count) or "-"


def print_comparison(comparison: Comparison) -> None:
    """Print scores, then what they are compared to and what they cost, and which cell is the best."""
    from rich.markup import escape

    from ttf.ablate.table import REST, SCORES, names, rows, verdict
    from ttf.cli.output import fits, make_console, make_table

    console, heading = make_console(), names(comparison).heading
    listed = rows(comparison)

    def table(headings: Sequence[str], start: int, *, stacked: bool) -> Table:
        made = make_table(heading, *headings)
        for column in made.columns[1:]:
            column.justify, column.no_wrap = "right", True
        for row in listed:
            label = escape(row.label)
            figures = [figure or "-" for figure in row.figures[start : start + len(headings)]]
            below = [escape(figure.replace(" [", "\n[") if stacked else figure) for figure in figures]
            made.add_row(f"[bold]{label}[/bold]" if row.best else label, *below)
        return made

    for headings, start in ((SCORES, 0), (REST, len(SCORES))):
        console.print()
        chosen = table(headings, start, stacked=False)
        chosen.columns[0].max_width = _LONGEST
        if not fits(console, chosen):
            chosen = table(headings, start, stacked=True)
        chosen.columns[0].max_width = None
        console.print(chosen)
    console.print(f"\n{escape(verdict(comparison))}")
