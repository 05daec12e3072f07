"""ttf new: write the package of a plugin."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

EPILOG = """\b
Examples:
  ttf new my_plugin --slot discretizer
  pip install -e my_plugin
  ttf components discretizer.my_plugin
"""


def complete_slots(_context: click.Context, _parameter: click.Parameter, incomplete: str) -> list[str | CompletionItem]:
    """Completions of --slot."""
    from ttf.component import SLOTS

    return [slot for slot in SLOTS if slot.startswith(incomplete)]


@click.command(epilog=EPILOG)
@click.argument("name")
@click.option("--slot", required=True, shell_complete=complete_slots, help="The section of a recipe that it is for.")
def new(name: str, slot: str) -> None:
    """Write the package of a plugin called NAME into a folder of that name: a component that works, and its test."""
    from ttf.new.package import write_plugin
    from ttf.registry import load_registry

    for file in write_plugin(name, slot, load_registry(), Path()):
        click.echo(file)
    click.echo(f"\nInstall it with: pip install -e {name}")
