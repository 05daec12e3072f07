"""ttf plugins: what is installed, and what became of it."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from ttf.errors import PluginError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.table import Table

    from ttf.registry import Plugin, Registry

STATE_COLOURS = {"loaded": "green", "disabled": "dim", "incompatible": "red", "failed": "red"}

EPILOG = """\b
Examples:
  ttf plugins
  ttf plugins --json
  TTF_PLUGINS=gpt,my-plugin ttf plugins     those only, by plugin or distribution
  TTF_PLUGINS=none ttf plugins
"""


@click.command(epilog=EPILOG)
@click.option("--json", "as_json", is_flag=True, help="Print JSON: a list of mappings.")
def plugins(*, as_json: bool) -> None:
    """Show every installed plugin: its state, distribution, version, API version and time to load.

    The exit code is 4 if a plugin is broken.
    """
    from ttf.registry import load_registry

    registry = load_registry()
    if as_json:
        click.echo(json.dumps([_as_json(registry, plugin) for plugin in registry.plugins], indent=2))
    else:
        print_plugins(registry.plugins)
    refuse_broken(registry.plugins)


def print_plugins(plugins: Sequence[Plugin]) -> None:
    """Print a table of plugins; reasons stand below it where the terminal is narrow."""
    from rich.markup import escape

    from ttf.cli.output import fits, make_console

    console, table = make_console(), _table(plugins, reasons=True)
    if fits(console, table):
        console.print(table)
        return
    console.print(_table(plugins, reasons=False))
    for plugin in plugins:
        if plugin.reason:
            console.print(f"{escape(plugin.name)}: {escape(plugin.reason)}")


def _table(plugins: Sequence[Plugin], *, reasons: bool) -> Table:
    from rich.markup import escape

    from ttf.cli.output import make_table

    columns = ("name", "distribution", "version", "api", "state", "import", *(("reason",) if reasons else ()))
    table = make_table(*columns)
    for column in table.columns[:1] + table.columns[2:6]:
        column.no_wrap = True
    for plugin in plugins:
        colour = STATE_COLOURS[plugin.state]
        state = f"[{colour}]{plugin.state}[/{colour}]"
        seconds = f"{plugin.seconds * 1000:.0f} ms"
        identity = map(escape, (plugin.name, plugin.distribution, plugin.version, plugin.api or ""))
        table.add_row(*identity, state, seconds, *((escape(plugin.reason),) if reasons else ()))
    return table


def refuse_broken(plugins: Sequence[Plugin]) -> None:
    """End with an error if a plugin is broken.

    Raises:
        PluginError: one is.
    """
    if broken := [plugin for plugin in plugins if plugin.broken]:
        message = f"{len(broken)} of {len(plugins)} plugins cannot be used"
        raise PluginError(message)


def _as_json(registry: Registry, plugin: Plugin) -> dict[str, Any]:
    """What is known of a plugin, and the names of its components by slot."""
    components: dict[str, list[str]] = {}
    for entry in registry.entries:
        if entry.plugin == plugin:
            components.setdefault(entry.slot, []).append(registry.names(entry)[0])
    return {**asdict(plugin), "components": components}
