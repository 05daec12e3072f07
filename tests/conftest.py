"""Fixtures that several parts' tests share."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import pytest

from ttf.registry import load_registry

if TYPE_CHECKING:
    from collections.abc import Callable

    from ttf.registry import Registry


class Install(Protocol):
    """Installs a plugin of one module for a test."""

    def __call__(self, module: str, code: str, *, distribution: str = ..., entry_point: str | None = ...) -> None: ...


@pytest.fixture(scope="session")
def builtin_registry() -> Registry:
    """The registry of the built-in plugins."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TTF_PLUGINS", "trajectory-transformer")
        return load_registry()


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Install:
    """Install plugins into a folder of the path, with metadata such as pip writes; the built-in ones are disabled."""
    site = tmp_path / "site"
    site.mkdir()
    monkeypatch.syspath_prepend(site)
    names: list[str] = []

    def plugin(module: str, code: str, *, distribution: str = "stranger", entry_point: str | None = None) -> None:
        (site / f"{module}.py").write_text(code)
        info = site / f"{distribution.replace('-', '_')}-1.2.dist-info"
        info.mkdir(exist_ok=True)
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {distribution}\nVersion: 1.2\n")
        with (info / "entry_points.txt").open("a") as file:
            file.write(f"[ttf]\n{entry_point or module} = {module}\n" if file.tell() == 0 else f"{module} = {module}\n")
        names.append(distribution)
        monkeypatch.setenv("TTF_PLUGINS", ",".join(names))

    return plugin


@pytest.fixture
def show(monkeypatch: pytest.MonkeyPatch) -> Callable[[Path], None]:
    """Make the package in a folder visible, and no other plugin, with the metadata that pip would write."""

    def visible(folder: Path) -> None:
        project = tomllib.loads((folder / "pyproject.toml").read_text(encoding="utf-8"))["project"]
        name, version = project["name"], project["version"]
        points = "".join(f"{key} = {module}\n" for key, module in project["entry-points"]["ttf"].items())
        info = folder / f"{name.replace('-', '_')}-{version}.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
        (info / "entry_points.txt").write_text(f"[ttf]\n{points}")
        monkeypatch.syspath_prepend(folder)
        monkeypatch.setenv("TTF_PLUGINS", name)

    return visible
