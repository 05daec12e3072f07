"""The package holds what it must: built as it is released, source archive first, wheel from that."""

from __future__ import annotations

import configparser
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from importlib import metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
PLUGINS = {path.parent.name for path in (ROOT / "plugins" / "ttf_plugins").glob("*/__init__.py")}


def build(folder: Path, target: str, into: Path) -> Path:
    """Build with hatchling, without a network."""
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", target, "-d", into],
        cwd=folder,
        check=True,
        capture_output=True,
    )
    (built,) = into.glob("*.whl" if target == "wheel" else "*.tar.gz")
    return built


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> zipfile.ZipFile:
    folder = tmp_path_factory.mktemp("package")
    with tarfile.open(build(ROOT, "sdist", folder / "sdist")) as archive:
        archive.extractall(folder, filter="data")
    (source,) = folder.glob("trajectory_transformer-*/")
    return zipfile.ZipFile(build(source, "wheel", folder / "wheel"))


def tree(*folders: str, pattern: str) -> set[Path]:
    files = {file for folder in folders for file in (ROOT / folder).rglob(pattern)}
    assert files
    return files


def test_the_wheel_holds_every_module_of_both_packages(wheel: zipfile.ZipFile) -> None:
    expected = {file.relative_to(ROOT / "core").as_posix() for file in tree("core/ttf", pattern="*.py")}
    expected |= {file.relative_to(ROOT / "plugins").as_posix() for file in tree("plugins/ttf_plugins", pattern="*.py")}
    assert {name for name in wheel.namelist() if name.endswith(".py")} == expected


def test_the_wheel_holds_every_recipe_beside_the_package(wheel: zipfile.ZipFile) -> None:
    expected = {
        f"ttf/recipes/{file.relative_to(ROOT / 'recipes').as_posix()}" for file in tree("recipes", pattern="*.yaml")
    }
    assert {name for name in wheel.namelist() if name.endswith(".yaml")} == expected


def test_the_wheel_holds_the_type_markers_the_report_templates_and_the_walker(wheel: zipfile.ZipFile) -> None:
    data = {"html/report.html.jinja", "antmaze_waypoints/ant_walker.npz", "py.typed"}
    assert {"ttf/py.typed", *(f"ttf_plugins/{name}" for name in data)} <= set(wheel.namelist())


def test_the_wheel_holds_the_templates_of_new_plugins(wheel: zipfile.ZipFile) -> None:
    folder = ROOT / "core" / "ttf" / "new" / "templates"
    expected = {
        file.relative_to(ROOT / "core").as_posix()
        for pattern in ("*.toml", "*.md", "py.typed", "*.py")
        for file in tree("core/ttf/new/templates", pattern=pattern)
    }
    inside = f"ttf/new/{folder.name}/"
    assert {name for name in wheel.namelist() if name.startswith(inside)} == expected


def test_nothing_else_lies_at_the_top_of_the_wheel(wheel: zipfile.ZipFile) -> None:
    tops = {name.split("/")[0] for name in wheel.namelist()}
    assert tops == {"ttf", "ttf_plugins", f"trajectory_transformer-{PROJECT['version']}.dist-info"}


def test_the_entry_points_are_the_plugin_folders_and_the_command(wheel: zipfile.ZipFile) -> None:
    (name,) = (name for name in wheel.namelist() if name.endswith("entry_points.txt"))
    points = configparser.ConfigParser()
    points.read_string(wheel.read(name).decode())
    assert dict(points["ttf"]) == {plugin: f"ttf_plugins.{plugin}" for plugin in PLUGINS}
    assert dict(points["console_scripts"]) == {"ttf": "ttf.cli:main"}
    assert len(PLUGINS) >= 11


def test_the_licence_and_the_readme_are_in_the_wheel(wheel: zipfile.ZipFile) -> None:
    (metadata,) = (name for name in wheel.namelist() if name.endswith("METADATA"))
    assert (ROOT / "README.md").read_text(encoding="utf-8").strip() in wheel.read(metadata).decode()
    assert any(name.endswith("licenses/LICENSE") for name in wheel.namelist())


def test_the_version_is_said_the_same_everywhere() -> None:
    from ttf import __version__

    changelog = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    assert PROJECT["version"] == __version__
    assert f"## {__version__}" in changelog


def test_every_dependency_is_pinned_and_none_is_the_stranger_called_ttf() -> None:
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    pinned = {normal(line.split("==")[0]) for line in lines if not line.startswith("#")}
    extras = PROJECT["optional-dependencies"]
    wanted = [*PROJECT["dependencies"], *(each for extra in extras.values() for each in extra)]
    assert {"dev", "docs", "mujoco"} <= set(extras)
    assert {normal(requirement) for requirement in wanted} <= pinned
    assert "ttf" not in pinned
    assert "torch==2.13.0" in lines


def test_what_minari_brings_for_downloads_is_pinned() -> None:
    (minari,) = (Requirement(text) for text in PROJECT["dependencies"] if text.startswith("minari"))
    assert "hf" in minari.extras
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    pinned = {normal(line.split("==")[0]) for line in lines if not line.startswith("#")}
    needed, found = [minari], set[str]()
    while needed:
        requirement = needed.pop()
        found.add(normal(requirement.name))
        for text in metadata.requires(requirement.name) or ():
            wanted = Requirement(text)
            applies = any(
                wanted.marker is None or wanted.marker.evaluate({"extra": e}) for e in requirement.extras or [""]
            )
            if applies and normal(wanted.name) not in found:
                needed.append(wanted)
    assert {"huggingface-hub", "tqdm"} <= found <= pinned


def normal(requirement: str) -> str:
    """The name of a requirement, as package indices compare it."""
    letters = requirement.replace("_", "-").replace(".", "-").lower()
    return letters[: next((i for i, c in enumerate(letters) if not (c.isalnum() or c == "-")), len(letters))]
