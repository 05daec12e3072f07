"""ttf doctor: what this installation consists of, and what is wrong with it."""

from __future__ import annotations

import os
import platform
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ttf.cli.plugins import print_plugins, refuse_broken

if TYPE_CHECKING:
    from collections.abc import Iterable


@click.command(epilog="\b\nExamples:\n  ttf doctor\n  TTF_PLUGINS=none ttf doctor")
def doctor() -> None:
    """Show versions, devices, plugins and data sets.

    The exit code is 4 if a plugin is broken.
    """
    from ttf.registry import load_registry

    plugins = load_registry().plugins
    _print_rows("versions", _versions())
    _print_rows("devices", _devices())
    click.secho("plugins", bold=True)
    print_plugins(plugins)
    _print_rows("data sets", _data_sets())
    refuse_broken(plugins)


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


def _data_sets() -> Iterable[tuple[str, str]]:
    store = Path(os.environ.get("MINARI_DATASETS_PATH") or Path.home() / ".minari" / "datasets")
    yield "minari store", f"{store}{'' if store.is_dir() else ' (not there yet)'}"
    for folder in sorted(store.rglob("data/metadata.json")):
        yield "", folder.parent.parent.relative_to(store).as_posix()
