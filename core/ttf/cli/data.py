"""ttf data: what is in a data set, and whether it is good enough."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ttf.cli.shipped import complete_recipes, shipped_recipes
from ttf.errors import DataError, RecipeError
from ttf.plurals import counted

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from rich.console import Console

    from ttf.data_check.report import Column, Finding, Report
    from ttf.recipe import Recipe
    from ttf.registry import Registry

EPILOG = """\b
Examples:
  ttf data check my.yaml --set data.discount=0.997
  ttf data check mine/pendulum-v0
  ttf data check hopper_medium-v2.hdf5 --set data.environment=Hopper-v5
"""

COLOURS = {"error": "red", "warning": "yellow", "note": "cyan"}

MOST_COLUMNS = 40
"""Columns of a transition that the table shows; --json has all."""


@click.group(epilog="\b\nExamples:\n  ttf data check mine/pendulum-v0")
def data() -> None:
    """Look at data before anything is learned from it."""


@data.command(epilog=EPILOG)
@click.argument("recipe_or_dataset", shell_complete=complete_recipes)
@click.option("--set", "overrides", metavar="PATH=VALUE", multiple=True, help="Change the recipe; may be repeated.")
@click.option("--json", "as_json", is_flag=True, help="Print the report as JSON.")
def check(recipe_or_dataset: str, overrides: tuple[str, ...], *, as_json: bool) -> None:
    """Say whether data is good enough to learn from, and what to do if not.

    RECIPE_OR_DATASET is a recipe file, the name of a shipped recipe, the id of a data set of the local Minari store,
    or an HDF5 file in D4RL's form. A recipe's data is opened or collected as by a run, and judged with its discretizer
    and its model's window; nothing is trained. The exit code is 3 if there is an error, and 0 with warnings and notes.
    """
    from ttf.registry import load_registry

    recipe = _recipe(recipe_or_dataset, load_registry(), overrides)
    from ttf.cli.progress import make_progress
    from ttf.data_check.check import check_data

    with make_progress() as progress:
        report = check_data(recipe, progress)
    if as_json:
        click.echo(json.dumps(report.as_json(), indent=2, allow_nan=False))
    else:
        _print(report)
    if errors := report.count("error"):
        message = f"{recipe_or_dataset}: {counted(errors, 'error')}; this data cannot be learned from"
        raise DataError(message)


def _recipe(argument: str, registry: Registry, overrides: tuple[str, ...]) -> Recipe:
    """The recipe that an argument names, or one of nothing but the data set that it names.

    Raises:
        RecipeError: it is neither, or something about the recipe is wrong.
    """
    from ttf.recipe import load, load_section

    def note(text: str) -> None:
        click.echo(text, err=True)

    shipped = shipped_recipes()
    if argument in shipped:
        return load(shipped[argument], registry, overrides, None, note)
    path = Path(argument)
    if path.suffix.lower() in (".hdf5", ".h5"):
        fields = {"kind": "d4rl_hdf5", "path": argument}
    elif path.suffix or path.is_file():
        return load(path, registry, overrides, None, note)
    else:
        fields = {"kind": "minari", "dataset": argument}
        _check_id(argument, shipped)
    return load_section(argument, "data", fields, registry, overrides, note)


def _check_id(argument: str, shipped: Iterable[str]) -> None:
    """Refuse what is no recipe, and does not look like the id of a data set either.

    Raises:
        RecipeError: so it is; the message has the nearest name of what there is.
    """
    from ttf.errors import did_you_mean
    from ttf.minari_store import local_ids

    if not re.search(r"-v[0-9]+$", argument):
        hint = did_you_mean(argument, [*local_ids(), *shipped])
        message = f"{argument}: no such file, shipped recipe or data set of the local Minari store{hint}"
        raise RecipeError(message)


def _print(report: Report) -> None:
    from ttf.cli.output import make_console

    console = make_console()
    click.secho(report.data, bold=True)
    for name, text in _rows(report.summary):
        click.echo(f"  {name:<14}{text}")
    if report.columns:
        _print_columns(console, report.columns[:MOST_COLUMNS])
    if len(report.columns) > MOST_COLUMNS:
        click.echo(f"  and {len(report.columns) - MOST_COLUMNS} more columns; --json has all\n")
    _print_findings(console, report)


def _rows(summary: Mapping[str, Any]) -> list[tuple[str, str]]:
    """What a data set holds, in words."""
    unusable = summary["episodes"] - summary["usable"]
    episodes = f"{summary['episodes']:,}" + (f", of which {unusable:,} cannot be used" if unusable else "")
    if not summary["usable"]:
        return [("episodes", episodes)]
    length, earned, setting = summary["length"], summary["return"], summary["environment"]
    low, median, high = earned["quartiles"]
    horizon = "without end" if summary["value_horizon"] is None else f"{summary['value_horizon']:,.0f} steps ahead"
    environment = "none" if setting is None else setting["id"]
    if setting is not None and setting["step_limit"] is not None:
        environment += f", {setting['step_limit']:,} steps at most"
    return [
        ("episodes", f"{episodes}: {summary['terminated']:,} terminated, {summary['cut_off']:,} cut off"),
        ("transitions", f"{summary['transitions']:,} of {summary['observation']} + {summary['action']} dimensions"),
        ("length", f"{length['min']:,.0f} to {length['max']:,.0f} steps, median {length['median']:,.0f}"),
        ("return", f"{earned['min']:.4g} to {earned['max']:.4g}, quartiles {low:.4g}, {median:.4g}, {high:.4g}"),
        ("discount", f"{summary['discount']:g}: values look {horizon}"),
        ("environment", environment),
    ]


def _print_columns(console: Console, columns: Sequence[Column]) -> None:
    from rich import box
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD)
    with_bins = columns[0].used_bins is not None
    table.add_column("column")
    for heading in ("lowest", "highest", "mean", "deviation", *(("bins used", "error") if with_bins else ())):
        table.add_column(heading, justify="right")
    for column in columns:
        cells = [f"{value:.4g}" for value in (column.low, column.high, column.mean, column.deviation)]
        if with_bins:
            cells += [str(column.used_bins), f"{column.error:.1f} %"]
        table.add_row(column.name.replace("[", "\\["), *cells)
    console.print(table)


def _print_findings(console: Console, report: Report) -> None:
    from rich.table import Table

    from ttf.data_check.report import LEVELS

    table = Table.grid(padding=(0, 2, 1, 0))
    table.add_column(no_wrap=True)
    table.add_column()
    for finding in report.findings:
        colour = COLOURS[finding.level]
        table.add_row(f"[{colour}]{finding.level}[/{colour}]", _text(finding))
    console.print(table)
    total = ", ".join(counted(number, level) for level in LEVELS if (number := report.count(level)))
    click.echo(total or "nothing to remark")


def _text(finding: Finding) -> str:
    from rich.markup import escape

    lines = (finding.what, f"where: {finding.where}", f"do: {finding.advice}", f"({finding.name})")
    what, where, advice, name = map(escape, lines)
    return f"[bold]{what}[/bold]\n{where}\n{advice} [dim]{name}[/dim]"
