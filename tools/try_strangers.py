"""Install strangers' plugins as anybody would, and see whether they work: examples/, and new ones of every slot.

They go into an environment of their own, which sees the packages of the present one: nothing is downloaded, and no
other test meets them. What is checked: the linter, the types, `ttf plugins`, the plugins' own tests, and recipes with
them.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import sysconfig
import tempfile
import venv
from pathlib import Path
from typing import TYPE_CHECKING

from ttf.component import SLOTS

if TYPE_CHECKING:
    from collections.abc import Mapping

ROOT = Path(__file__).parents[1]
EXAMPLES = sorted(file.parent for file in (ROOT / "examples").glob("*/pyproject.toml"))

ALL_NEW = """
name: all_new
device: cpu
data: {kind: new_data, episodes: 20}
discretizer: {kind: new_discretizer, bins: 10}
model: {kind: new_model, width: 16, context: 3}
critic: {kind: new_critic, hidden: 8, updates: 10}
training: {steps: 10, batch_size: 16}
decoder: {kind: new_decoder, horizon: 2, plans: 4}
environment: {kind: new_environment, steps: 10}
baselines: [{kind: new_baselines}]
evaluation: {episodes: 2}
analyses: [{kind: new_analyses}]
reporters: [{kind: new_reporters}]
"""


def run(*command: str | Path, folder: Path = ROOT, variables: Mapping[str, str] | None = None) -> str:
    """What a command prints; if it fails, all that it has said is shown, and nothing more is done."""
    done = subprocess.run(  # noqa: S603  (commands of this file)
        command, cwd=folder, env={**os.environ, **(variables or {})}, capture_output=True, text=True, check=False
    )
    if done.returncode:
        sys.exit(f"{' '.join(map(str, command))}\n{done.stdout}{done.stderr}")
    return done.stdout


def make_environment(folder: Path) -> Path:
    """An environment that sees this one's packages, editable ones too; its Python."""
    venv.create(folder, symlinks=True)
    ours, theirs = (sysconfig.get_path("purelib", vars=where) for where in (None, {"base": str(folder)}))
    seen = f"import site; site.addsitedir({ours!r})\n"  # a plain path would leave out what .pth files there add
    (Path(theirs) / "those_of_the_tests.pth").write_text(seen, encoding="utf-8")
    return folder / "bin" / "python"


def install(python: Path, folders: list[Path]) -> None:
    """Install packages, without a network: what they need is there."""
    editable = [part for folder in folders for part in ("-e", str(folder))]
    options = ("--quiet", "--no-deps", "--no-build-isolation", "--disable-pip-version-check")
    pip = (sys.executable, "-m", "pip", "--python", str(python))
    run(*pip, "install", *options, "-c", ROOT / "constraints.txt", *editable)


def check_source(folders: list[Path]) -> None:
    """Lint and type the packages as strict as our own code."""
    for folder in folders:
        settings = ("--config", str(ROOT / "pyproject.toml"), "--config", f"src = ['{folder}']", "--no-cache")
        run(sys.executable, "-m", "ruff", "check", *settings, ".", folder=folder)
        run(sys.executable, "-m", "ruff", "format", "--check", *settings, ".", folder=folder)
    run(sys.executable, "-m", "mypy", *folders, variables={"MYPYPATH": os.pathsep.join(map(str, folders))})


def try_plugins(python: Path, folders: list[Path]) -> None:
    """Each is loaded and offers something; their own tests pass."""
    listed = json.loads(run(python, "-m", "ttf", "plugins", "--json"))
    plugins = {plugin["distribution"]: plugin for plugin in listed}
    for folder in folders:
        plugin = plugins[folder.name.replace("_", "-")]
        print(f"{plugin['distribution']} {plugin['version']}: {plugin['state']}, {plugin['components']}", flush=True)
    print(run(python, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--import-mode=importlib", *folders), flush=True)


def try_recipes(python: Path, place: Path) -> None:
    """The examples' recipes run, and one in which every component is new runs without any built-in plugin."""
    (place / "all_new.yaml").write_text(ALL_NEW, encoding="utf-8")
    own = ",".join(f"new-{slot}" for slot in SLOTS)
    recipes = {folder / "smoke.yaml": "" for folder in EXAMPLES} | {place / "all_new.yaml": own}
    store = place / "minari"
    store.mkdir()
    for recipe, plugins in recipes.items():
        variables = {"TTF_PLUGINS": plugins, "MINARI_DATASETS_PATH": str(store)}
        print(run(python, "-m", "ttf", "run", recipe, "--runs-dir", place / "runs", variables=variables), flush=True)


def main() -> None:
    """Try them all; the exit code is 1 if something does not work."""
    with tempfile.TemporaryDirectory() as temporary:
        place = Path(temporary)
        python = make_environment(place / "environment")
        new = [place / f"new_{slot}" for slot in SLOTS]
        for slot, folder in zip(SLOTS, new, strict=True):
            run(python, "-m", "ttf", "new", folder.name, "--slot", slot, folder=place)
        check_source(new)
        install(python, [*EXAMPLES, *new])
        try_plugins(python, [*EXAMPLES, *new])
        try_recipes(python, place)


if __name__ == "__main__":
    main()
