"""ttf run: train, evaluate and report what a recipe says."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ttf.cli.kinds import KindsCommand
from ttf.cli.shipped import complete_recipes, find_recipe, shipped_parts
from ttf.errors import RecipeError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ttf.cli.group import Settings
    from ttf.run_dir import RunDir

EPILOG = """\b
Examples:
  ttf run pointmaze_beam_search
  ttf run my.yaml --set decoder.beam_width=64 --set training.steps=5e4
  ttf run my.yaml --set 'discretizer={kind: uniform, bins: 50}' --seed 1
  ttf run my.yaml --resume
  ttf run antmaze_value_guided --pretrained
  torchrun --nproc-per-node 2 -m ttf run my.yaml
"""


@click.command(cls=KindsCommand, epilog=EPILOG)
@click.argument("recipe", shell_complete=complete_recipes)
@click.option("--set", "overrides", metavar="PATH=VALUE", multiple=True, help="Change the recipe; may be repeated.")
@click.option("--seed", type=int, help="Short for --set seed=N.")
@click.option("--device", help="Short for --set device=D: auto, cpu, cuda, cuda:N or mps.")
@click.option(
    "--runs-dir",
    type=click.Path(file_okay=False, path_type=Path),
    default="runs",
    show_default=True,
    help="Folder in which the run gets its own folder.",
)
@click.option("--resume", is_flag=True, help="Go on with the run of this name from its last checkpoint.")
@click.option("--fresh", is_flag=True, help="Train all parts, though other runs beside it have trained the same.")
@click.option("--pretrained", is_flag=True, help="Train nothing: plan with the trained parts that come with RECIPE.")
@click.option(
    "--pretrained-from",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Train nothing: plan with the parts in a folder that ttf export wrote.",
)
@click.pass_obj
def run(
    settings: Settings,
    recipe: str,
    overrides: tuple[str, ...],
    seed: int | None,
    device: str | None,
    runs_dir: Path,
    *,
    resume: bool,
    fresh: bool,
    pretrained: bool,
    pretrained_from: Path | None,
) -> None:
    """Train, evaluate and report what RECIPE says.

    RECIPE is a file or the name of a shipped recipe.
    """
    from ttf.recipe import load
    from ttf.registry import load_registry

    given = {name: value for name, value in (("seed", seed), ("device", device)) if value is not None}
    checked = load(find_recipe(recipe), load_registry(), overrides, given, lambda text: click.echo(text, err=True))

    from ttf.cli.progress import make_progress

    with make_progress() as progress:
        if pretrained or pretrained_from is not None:
            if resume:
                message = "--resume goes on with a training, --pretrained does without; leave one of them out"
                raise RecipeError(message)
            from ttf.plan_only import run_pretrained
            from ttf.pretrained import Pretrained

            parts = Pretrained(pretrained_from or shipped_parts(find_recipe(recipe)))
            finished = run_pretrained(checked, parts, runs_dir=runs_dir, progress=progress)
        else:
            from ttf.assemble import run_recipe

            finished = run_recipe(
                checked,
                runs_dir=runs_dir,
                resume=resume,
                progress=progress,
                reuse=not fresh,
                company=settings.company,
            )
    print_result(finished)


def print_result(run: RunDir) -> None:
    """Print the table of a finished run, and where its report is."""
    result = run.read("result")
    if result and result["policies"]:
        _print_table(result["policies"])
    click.echo(f"report: {run.report}" if run.report.exists() else f"run: {run.path}")


def _print_table(policies: list[Mapping[str, Any]]) -> None:
    from rich import box
    from rich.markup import escape
    from rich.table import Table

    from ttf.cli.output import make_console

    table = Table(box=box.SIMPLE_HEAD)
    table.add_column("policy")
    for name in ("episodes", "success", "return", "steps"):
        table.add_column(name, justify="right")
    for row in policies:
        figures = (_percentage(row["success"]), _figure(row["return"]), _figure(row["steps"]))
        table.add_row(escape(row["policy"]), str(row["episodes"]), *figures)
    make_console().print(table)


def _figure(value: Mapping[str, Any]) -> str:
    if value["low"] is None:
        return f"{value['estimate']:.1f}"
    return f"{value['estimate']:.1f} \\[{value['low']:.1f}, {value['high']:.1f}]"


def _percentage(value: Mapping[str, float] | None) -> str:
    if value is None:
        return "-"
    return f"{value['estimate']:.1%} \\[{value['low']:.1%}, {value['high']:.1%}]"
