"""ttf recipes: list, show and copy the recipes that come with ttf."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from ttf.cli.shipped import shipped_recipe, shipped_recipes
from ttf.errors import ResourceError

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

EPILOG = """\b
Examples:
  ttf recipes
  ttf recipes show pointmaze_beam_search
  ttf recipes copy pointmaze_beam_search my.yaml
"""


@click.group(epilog=EPILOG, invoke_without_command=True)
@click.pass_context
def recipes(context: click.Context) -> None:
    """List, show and copy the recipes that come with ttf."""
    if context.invoked_subcommand is None:
        context.invoke(list_recipes)


@recipes.command("list", epilog="\b\nExamples:\n  ttf recipes list")
def list_recipes() -> None:
    """List the shipped recipes."""
    known = shipped_recipes()
    width = max(map(len, known), default=0)
    for name, file in known.items():
        click.echo(f"{name:<{width}}  {_summary(file)}".rstrip())


def _complete(_context: click.Context, _parameter: click.Parameter, incomplete: str) -> list[str | CompletionItem]:
    return [name for name in shipped_recipes() if name.startswith(incomplete)]


@recipes.command("show", epilog="\b\nExamples:\n  ttf recipes show pointmaze_beam_search")
@click.argument("name", shell_complete=_complete)
def show(name: str) -> None:
    """Print a shipped recipe."""
    click.echo(shipped_recipe(name).read_text(encoding="utf-8"), nl=False)


@recipes.command("copy", epilog="\b\nExamples:\n  ttf recipes copy pointmaze_beam_search my.yaml")
@click.argument("name", shell_complete=_complete)
@click.argument("target", type=click.Path(path_type=Path), required=False)
def copy(name: str, target: Path | None) -> None:
    """Copy a shipped recipe to edit it, by default into this folder; an existing file is left alone."""
    source = shipped_recipe(name)
    target = target or Path(source.name)
    if target.is_dir():
        target = target / source.name
    try:
        with target.open("x", encoding="utf-8") as file:
            file.write(source.read_text(encoding="utf-8"))
    except FileExistsError as error:
        message = f"{target}: exists already"
        raise ResourceError(message) from error
    click.echo(target)


def _summary(file: Path) -> str:
    """The first comment that is written for people."""
    for line in file.read_text(encoding="utf-8").splitlines():
        if line.startswith("#") and "yaml-language-server" not in line:
            return line.lstrip("# ")
    return ""
