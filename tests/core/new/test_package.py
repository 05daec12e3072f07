"""What ``ttf new`` writes is a plugin like any other, for every slot; bad names are refused, and leave nothing."""

from __future__ import annotations

import importlib.util
import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from jsonschema import Draft202012Validator

from ttf import API_VERSION
from ttf.cli.edge import run_cli
from ttf.component import SLOTS
from ttf.errors import RecipeError, ResourceError
from ttf.new.package import COMMON, TEMPLATES, rendered, write_plugin
from ttf.recipe import load
from ttf.registry import Registry, load_registry
from ttf.schema import recipe_schema

if TYPE_CHECKING:
    from collections.abc import Callable

ROOT = Path(__file__).parents[3]
LONG = "abcdefghi_bcdefghij_cdefghijkl"  # as long as names get


def written(name: str, slot: str, registry: Registry, parent: Path) -> Path:
    write_plugin(name, slot, registry, parent)
    return parent / name


def test_there_is_a_template_for_every_slot() -> None:
    assert {folder.name for folder in TEMPLATES.iterdir() if folder.is_dir()} == {*SLOTS, COMMON}


@pytest.mark.parametrize("slot", SLOTS)
def test_the_package_is_loaded_keeps_the_contract_and_is_in_the_schema(
    slot: str, tmp_path: Path, builtin_registry: Registry, show: Callable[[Path], None]
) -> None:
    name = f"fresh_{slot}"
    folder = written(name, slot, builtin_registry, tmp_path)
    show(folder)
    registry = load_registry()
    found = [(plugin.name, plugin.state, plugin.reason) for plugin in registry.plugins if plugin.state != "disabled"]
    assert found == [(name, "loaded", "")]
    assert registry.kinds(slot) == [name]
    branch = recipe_schema(registry)
    Draft202012Validator.check_schema(branch)
    assert f'"{name}"' in str(branch).replace("'", '"')
    (file,) = (folder / "tests").iterdir()
    module = importlib.util.spec_from_file_location(file.stem, file)
    assert module is not None
    assert module.loader is not None
    test = importlib.util.module_from_spec(module)
    module.loader.exec_module(test)
    getattr(test, f"test_{name}_keeps_the_contract")()


@pytest.mark.parametrize("slot", SLOTS)
def test_the_card_is_light(slot: str, tmp_path: Path, builtin_registry: Registry) -> None:
    folder = written(f"light_{slot}", slot, builtin_registry, tmp_path)
    script = f"import sys, light_{slot}; print(sorted({{'numpy', 'torch'}} & {{*sys.modules}}))"
    done = subprocess.run([sys.executable, "-c", script], cwd=folder, capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


@pytest.mark.parametrize("slot", SLOTS)
def test_a_plugin_may_be_called_after_its_slot(slot: str, tmp_path: Path, builtin_registry: Registry) -> None:
    folder = written(f"my_{slot}", slot, builtin_registry, tmp_path)
    assert f'kind: Literal["my_{slot}"]' in (folder / f"my_{slot}" / "__init__.py").read_text()


@pytest.mark.parametrize("slot", SLOTS)
def test_nothing_of_the_template_is_left(slot: str) -> None:
    name = LONG
    files = rendered(name, slot)
    assert {
        "README.md",
        "pyproject.toml",
        f"{name}/__init__.py",
        f"{name}/{name}.py",
        f"{name}/py.typed",
        f"tests/test_{name}.py",
    } == set(files)
    for place, text in files.items():
        assert not re.search(rf"my[_-]?(plugin|{slot})\b|My(Plugin|{slot.capitalize()})|SLOT|SECTION", text), place
    assert f'\nttf_api = "{API_VERSION}"\n' in files[f"{name}/__init__.py"]


@pytest.mark.parametrize(("name", "commands"), [("tidy", ("check", "format --check")), (LONG, ("check",))])
def test_all_that_is_written_passes_the_linter_and_is_formatted(
    name: str, commands: tuple[str, ...], tmp_path: Path, builtin_registry: Registry
) -> None:
    for slot in SLOTS:
        folder = written(name, slot, builtin_registry, tmp_path / slot)
        settings = ["--config", str(ROOT / "pyproject.toml"), "--config", f"src = ['{folder}']", "--no-cache"]
        for command in commands:
            line = [sys.executable, "-m", "ruff", *command.split(), *settings, "."]
            done = subprocess.run(line, cwd=folder, capture_output=True, text=True, check=False)
            assert done.returncode == 0, done.stdout + done.stderr


def test_a_recipe_with_a_new_component_is_told_the_same_errors(
    tmp_path: Path, builtin_registry: Registry, show: Callable[[Path], None]
) -> None:
    for slot in ("data", "discretizer"):
        show(written(f"told_{slot}", slot, builtin_registry, tmp_path))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TTF_PLUGINS", "told-data,told-discretizer")
        registry = load_registry()
    file = tmp_path / "r.yaml"
    file.write_text("name: x\ndata: {kind: told_data, step: 3}\ndiscretizer: {kind: told_discretizr}\n")
    with pytest.raises(RecipeError) as error:
        load(file, registry)
    assert str(error.value) == (
        f"{file}:2:25: data.step: unknown field; did you mean 'steps'?; known: best_fraction, discount, episodes, "
        "goal, kind, noise, observation_dims, reward_scale, reward_shift, seed, steps, stride, stride_action, subgoal, "
        "terminal_penalty\n"
        f"{file}:3:21: discretizer.kind: unknown kind 'told_discretizr'; did you mean 'told_discretizer'?; known: "
        "told_discretizer; TTF_PLUGINS leaves plugins out"
    )


@pytest.mark.parametrize(
    ("name", "slot", "message"),
    [
        ("x", "discretiser", "unknown slot 'discretiser'; did you mean 'discretizer'?; known: analyses, baselines, "),
        ("My-Plugin", "model", "'My-Plugin' cannot name a package; write lower-case words, digits and '_' between"),
        ("../up", "model", "'../up' cannot name a package; "),
        ("", "model", "'' cannot name a package; "),
        ("trailing_", "model", "'trailing_' cannot name a package; "),
        ("class", "model", "'class' is a word with a meaning of its own; choose another name"),
        ("none", "model", "'none' is a word with a meaning of its own; choose another name"),
        ("a" * 31, "model", f"'{'a' * 31}' is 31 characters long; a name has at most 30"),
        ("quantile", "model", "'quantile' is the name of plugin 'quantile' of trajectory-transformer 0.1.0; choose"),
        ("trajectory_transformer", "model", "'trajectory_transformer' is the name of plugin 'antmaze_waypoints' of"),
        ("behaviour", "baselines", "'behaviour' is a kind of slot 'baselines' already, by plugin 'baselines' of traj"),
        ("torch", "model", "'torch' is a package that is installed already; choose another name"),
        ("json", "reporters", "'json' is a package that is installed already; choose another name"),
        ("model", "model", "'model' would name a class 'ModelConfig', which the code has another use for; choose "),
        ("bins", "discretizer", "'bins' would name a class 'Bins', which the code has another use for; choose anoth"),
    ],
)
def test_a_name_that_will_not_do_is_one_line_and_exit_code_2(
    name: str,
    slot: str,
    message: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("TTF_PLUGINS", "trajectory-transformer")
    monkeypatch.chdir(tmp_path)
    assert run_cli(["new", name, "--slot", slot]) == 2
    out, err = capfd.readouterr()
    assert (out, err.count("\n")) == ("", 1)
    assert err.startswith(f"Error: {message}")
    assert list(tmp_path.iterdir()) == []


def test_what_is_there_already_is_left_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))  # as of python -m ttf: what lies here is no package that is installed
    (tmp_path / "a_link").symlink_to(tmp_path / "nowhere")
    (tmp_path / "a_folder").mkdir()
    (tmp_path / "a_file").write_text("precious")
    for name in ("a_link", "a_folder", "a_file"):
        assert run_cli(["new", name, "--slot", "model"]) == 2
        error = f"Error: {name}: is there already; choose another name, or move it away\n"
        assert capfd.readouterr() == ("", error)
    assert sorted(file.name for file in tmp_path.iterdir()) == ["a_file", "a_folder", "a_link"]
    assert (tmp_path / "a_file").read_text() == "precious"


def test_a_package_that_cannot_be_written_whole_is_not_written_at_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, builtin_registry: Registry
) -> None:
    write = Path.write_text
    done: list[Path] = []

    def full(file: Path, text: str, encoding: str) -> int:
        if len(done) == 3:
            raise OSError(28, "No space left on device")
        done.append(file)
        return write(file, text, encoding=encoding)

    monkeypatch.setattr(Path, "write_text", full)
    with pytest.raises(ResourceError) as error:
        write_plugin("unlucky", "critic", builtin_registry, tmp_path)
    assert str(error.value) == f"{tmp_path / 'unlucky'}: cannot be written: No space left on device"
    assert len(done) == 3
    assert list(tmp_path.iterdir()) == []


def test_the_command_says_what_it_has_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert run_cli(["new", "my_plugin", "--slot", "analyses"]) == 0
    assert capfd.readouterr().out == (
        "my_plugin/README.md\n"
        "my_plugin/my_plugin/__init__.py\n"
        "my_plugin/my_plugin/my_plugin.py\n"
        "my_plugin/my_plugin/py.typed\n"
        "my_plugin/pyproject.toml\n"
        "my_plugin/tests/test_my_plugin.py\n"
        "\n"
        "Install it with: pip install -e my_plugin\n"
    )
    assert sorted(path.name for path in tmp_path.iterdir()) == ["my_plugin"]


def test_slots_are_completed() -> None:
    import click

    from ttf.cli.new import complete_slots

    found = complete_slots(click.Context(click.Command("new")), click.Option(["--slot"]), "d")
    assert found == ["data", "discretizer", "decoder"]
