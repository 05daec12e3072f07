"""ttf doctor: what this installation consists of, and what is wrong with it."""

from __future__ import annotations

import os
import platform
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ttf.errors import PluginError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ttf.registry import Plugin

STATE_COLOURS = {"loaded": "green", "disabled": "dim", "incompatible": "red", "failed": "red"}


@click.command(epilog="\b\nExamples:\n  ttf doctor\n  TTF_PLUGINS=none ttf doctor")
def doctor() -> None:
    """Show versions, devices, plugins and data sets.

    The exit code is 4 if a plugin is broken.
    """
    from ttf.registry import load_registry

    plugins = load_registry().plugins
    _print_rows("versions", _versions())
    _print_rows("devices", _devices())
    _print_plugins(plugins)
    _print_rows("data sets", _data_sets())
    if broken := [plugin for plugin in plugins if plugin.state in ("failed", "incompatible")]:
        message = f"{len(broken)} of {len(plugins)} plugins cannot be used"
        raise PluginError(message)


def _print_rows(title: str, rows: Iterable[tuple[str, str]]) -> None:
    click.secho(title, bold=True)
    for name, text in rows:
        click.echo(f"  {name:<24}{text}")
    click.echo()


def _versions() -> Iterable[tuple[str, str]]:
    from ttf.versions import PACKAGES

    yield "python", f"{platform.python_version()} on {platform.platform()}"
    for package in PACKAGES:
        try:
            yield package, metadata.version(package)
        except metadata.PackageNotFoundError:
            yield package, "not installed"


def _devices() -> Iterable[tuple[str, str]]:
    try:
        import torch
    except Exception as error:  # noqa: BLE001  (a broken installation is what doctor is for)
        yield "torch", f"cannot be imported: {error}"
        return
    yield "cpu", f"{os.cpu_count()} cores, {torch.get_num_threads()} threads"
    for index in range(torch.cuda.device_count()):
        yield f"cuda:{index}", torch.cuda.get_device_name(index)
    yield "mps", "available" if torch.backends.mps.is_available() else "not available"


def _print_plugins(plugins: Iterable[Plugin]) -> None:
    from rich import box
    from rich.markup import escape
    from rich.table import Table

    from ttf.cli.output import make_console

    table = Table("name", "distribution", "version", "state", "import", "reason", box=box.SIMPLE_HEAD)
    for plugin in plugins:
        colour = STATE_COLOURS[plugin.state]
        state = f"[{colour}]{plugin.state}[/{colour}]"
        seconds = f"{plugin.seconds * 1000:.0f} ms"
        identity = map(escape, (plugin.name, plugin.distribution, plugin.version))
        table.add_row(*identity, state, seconds, escape(plugin.reason))
    click.secho("plugins", bold=True)
    make_console().print(table)


def _data_sets() -> Iterable[tuple[str, str]]:
    store = Path(os.environ.get("MINARI_DATASETS_PATH") or Path.home() / ".minari" / "datasets")
    yield "minari store", f"{store}{'' if store.is_dir() else ' (not there yet)'}"
    for folder in sorted(store.rglob("data/metadata.json")):
        yield "", folder.parent.parent.relative_to(store).as_posix()
