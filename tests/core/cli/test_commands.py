"""What the commands print, exactly."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING

import click
import pytest
from click.testing import CliRunner, Result
from jsonschema import Draft202012Validator

from ttf.cli.edge import run_cli
from ttf.cli.group import Settings, make_cli
from ttf.cli.shipped import shipped_recipes
from ttf.versions import PACKAGES, versions

if TYPE_CHECKING:
    from tests.conftest import Install

CORPUS = Path(__file__).parents[2] / "corpus"
COMMANDS = [
    "ablate",
    "analyse",
    "bench",
    "components",
    "data",
    "doctor",
    "export",
    "new",
    "plugins",
    "recipes",
    "report",
    "run",
    "schema",
    "stages",
    "validate",
]

PLUGIN = """
from typing import Annotated, Literal
import click
from pydantic import Field
from ttf import hookimpl
from ttf.component import DecoderConfig

ttf_api = "1"

class Dice(DecoderConfig):
    '''Throws dice.

    More than one.
    '''
    kind: Literal["dice"] = "dice"
    sides: Annotated[int, Field(ge=2, le=20)] | None = 6
    "Sides of a die; null for a ball."
    faces: list[Annotated[int, Field(ge=0)]] = [1, 2]
    "What is on them."
    cheat: Literal["no", "maybe"] = "maybe"
    "Whether they are loaded."
    def build(self, model, discretizer, *, discount, critic):
        raise NotImplementedError

@hookimpl
def ttf_components():
    return [Dice]

@hookimpl
def ttf_commands(cli):
    @cli.command()
    def throw():
        "Throw them."
        click.echo("4")
"""


REPORTER = """
from typing import Literal
from ttf import hookimpl
from ttf.component import ReporterConfig

ttf_api = "1"

class Pages(ReporterConfig):
    "Writes a page."
    kind: Literal["html"] = "html"
    def build(self, run):
        class Reporter:
            def finish(self):
                run.report.write_text("a page")
        return Reporter()

@hookimpl
def ttf_components():
    return [Pages]
"""


def invoke(*args: str) -> Result:
    return CliRunner().invoke(make_cli(), args, prog_name="ttf", obj=Settings())


def output(*args: str) -> str:
    result = invoke(*args)
    assert result.exit_code == 0, result.output
    return result.stdout


@pytest.fixture
def builtin(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TTF_PLUGINS", "trajectory-transformer")


@pytest.mark.usefixtures("builtin")
def test_help_lists_every_command() -> None:
    text = output("--help")
    listed = text.partition("Commands:\n")[2].partition("\n\n")[0].splitlines()
    assert [line.split()[0] for line in listed] == COMMANDS
    assert 'eval "$(_TTF_COMPLETE=bash_source ttf)"' in text


@pytest.mark.usefixtures("builtin")
@pytest.mark.parametrize("command", [*COMMANDS, "recipes list", "recipes show", "recipes copy", "data check"])
def test_the_help_of_every_command_has_examples(command: str) -> None:
    text = output(*command.split(), "--help")
    assert f"  Examples:\n    ttf {command.split()[0]}" in text


@pytest.mark.usefixtures("builtin")
@pytest.mark.parametrize("command", ["run", "ablate", "components"])
def test_the_help_lists_the_kinds_that_are_installed(command: str) -> None:
    assert "\n  discretizer  quantile, uniform\n" in output(command, "--help")


@pytest.mark.usefixtures("builtin")
def test_validate_says_ok() -> None:
    good = [str(CORPUS / "good" / name) for name in ("full.yaml", "json.yaml")]
    assert output("validate", *good) == f"{good[0]}: ok\n{good[1]}: ok\n"


@pytest.mark.usefixtures("builtin")
def test_validate_takes_changes() -> None:
    result = invoke("validate", "pointmaze_beam_search", "--set", "decoder.beam_width=0")
    assert result.exit_code == 2
    assert "decoder.beam_width" in result.output
    assert output("validate", "pointmaze_beam_search", "--set", "decoder.beam_width=3") == "pointmaze_beam_search: ok\n"


@pytest.mark.usefixtures("builtin")
def test_validate_reports_every_problem_of_every_file_and_exits_with_2() -> None:
    files = [CORPUS / name for name in ("bad/empty.yaml", "good/full.yaml", "bad/many_problems.yaml")]
    result = invoke("validate", *map(str, files))
    expected = "".join(file.with_suffix(".txt").read_text("utf-8") for file in files if file.parent.name == "bad")
    for file in files:
        expected = expected.replace(f"{file.name}:", f"{file}:")
    assert (result.exit_code, result.stdout, result.stderr) == (2, f"{files[1]}: ok\n", expected)


@pytest.mark.usefixtures("builtin")
def test_a_recipe_that_does_not_exist_is_compared_with_the_shipped_ones() -> None:
    result = invoke("validate", "pointmaze_beam_serch")
    known = ", ".join(sorted(shipped_recipes()))
    assert result.exit_code == 2
    assert result.stderr == (
        f"pointmaze_beam_serch: no such file or shipped recipe; did you mean 'pointmaze_beam_search'?; known: {known}\n"
    )


@pytest.mark.usefixtures("builtin")
def test_every_shipped_recipe_is_valid_by_name() -> None:
    names = list(shipped_recipes())
    assert "pointmaze_beam_search" in names
    assert output("validate", *names) == "".join(f"{name}: ok\n" for name in names)


@pytest.mark.usefixtures("builtin")
def test_schema_prints_a_json_schema() -> None:
    schema = json.loads(output("schema"))
    Draft202012Validator.check_schema(schema)
    assert list(schema["properties"])[:3] == ["name", "seed", "device"]


def test_components_lists_slots_kinds_and_first_sentences(install: Install) -> None:
    install("dice_a", PLUGIN)
    assert output("components") == "decoder\n  dice                  Throws dice.\n"


def test_components_of_a_kind_shows_every_field(install: Install) -> None:
    install("dice_b", PLUGIN)
    text = output("components", "decoder.dice")
    assert text == output("components", "decoder") == output("components", "decoder.stranger:dice")
    assert text == (
        "decoder.dice  (stranger 1.2)\n"
        "  Throws dice.\n"
        "  Needs: discretizer, model.\n"
        "\n"
        "  context: integer >= 2, <= 1024; default 5\n"
        "    Transitions the planner sees: the one being planned and those before it; at most the model's own "
        "`context`, a larger number changes nothing.\n"
        "\n"
        "  memory: boolean; default true\n"
        "    Whether the planner sees past transitions at all, as published. Without, every plan is made as if the "
        "episode had just begun: a model of what demonstrators do next otherwise goes on with what it has just done.\n"
        "\n"
        "  plan_every: integer >= 1, <= 1000; default 1\n"
        "    Transitions between two plans; those between follow the last one, while it lasts (published: 1).\n"
        "\n"
        '  actions: planned | expected; default "planned"\n'
        "    `planned` takes the actions of the plan, as published; `expected` the model's expectation of each, given"
        " the tokens planned before it: closer to a demonstrator that is itself not random.\n"
        "\n"
        "  sides: integer >= 2, <= 20 or null; default 6\n"
        "    Sides of a die; null for a ball.\n"
        "\n"
        "  faces: list of integer >= 0; default [1, 2]\n"
        "    What is on them.\n"
        "\n"
        '  cheat: no | maybe; default "maybe"\n'
        "    Whether they are loaded.\n"
        "\n"
    )


@pytest.mark.usefixtures("builtin")
def test_components_shows_the_fields_of_sections_within_sections() -> None:
    text = output("components", "data.minari")
    assert "\n  goal: mapping or null; default null\n" in text
    assert "\n  goal.achieved: list of integer >= 0; default [0, 1]\n" in text
    assert "\n  goal.dropout: number >= 0, < 1; default 0.1\n    Share of training windows " in text


def test_components_as_json(install: Install) -> None:
    install("dice_c", PLUGIN)
    document = json.loads(output("components", "decoder", "--json"))
    dice = document["decoder"]["dice"]
    assert (dice["distribution"], dice["version"], dice["summary"]) == ("stranger", "1.2", "Throws dice.")
    assert dice["requires"] == ["discretizer", "model"]
    assert list(dice["fields"]) == ["context", "memory", "plan_every", "actions", "sides", "faces", "cheat"]
    assert dice["fields"]["cheat"]["enum"] == ["no", "maybe"]


@pytest.mark.usefixtures("builtin")
@pytest.mark.parametrize(
    ("name", "message"),
    [
        (
            "decodr",
            "unknown slot 'decodr'; did you mean 'decoder'?; known: analyses, baselines, critic, data, decoder, "
            "discretizer, environment, launcher, model, reporters",
        ),
        ("model.gtp", "unknown kind 'gtp' of 'model'; did you mean 'gpt'?; known: gpt, lstm, markov"),
    ],
)
def test_components_suggests_the_nearest_name(name: str, message: str, capfd: pytest.CaptureFixture[str]) -> None:
    assert run_cli(["components", name]) == 2
    assert capfd.readouterr() == ("", f"Error: {message}\n")


def test_recipes_lists_shipped_recipes_with_their_first_comment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "smoke").mkdir()
    (tmp_path / "b.yaml").write_text("# yaml-language-server: $schema=x\n# What b does.\nname: b\n")
    (tmp_path / "smoke" / "b.yaml").write_text("name: b\n")
    known = {"b": tmp_path / "b.yaml", "smoke/b": tmp_path / "smoke" / "b.yaml"}
    monkeypatch.setattr("ttf.cli.recipes.shipped_recipes", lambda: known)
    assert output("recipes") == output("recipes", "list") == "b        What b does.\nsmoke/b\n"


def test_recipes_show_prints_the_file() -> None:
    name, file = next(iter(shipped_recipes().items()))
    assert output("recipes", "show", name) == file.read_text("utf-8")


def test_recipes_copy_makes_a_file_and_never_overwrites_one(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    name, file = next(iter(shipped_recipes().items()))
    target = tmp_path / "mine.yaml"
    assert output("recipes", "copy", name, str(target)) == f"{target}\n"
    assert target.read_text("utf-8") == file.read_text("utf-8")
    target.write_text("precious")
    assert run_cli(["recipes", "copy", name, str(target)]) == 6
    assert capfd.readouterr().err == f"Error: {target}: exists already\n"
    assert target.read_text() == "precious"
    assert output("recipes", "copy", name, str(tmp_path)) == f"{tmp_path / file.name}\n"


def test_recipes_show_suggests_the_nearest_name(capfd: pytest.CaptureFixture[str]) -> None:
    assert run_cli(["recipes", "show", "pointmaze_beam"]) == 2
    message = "Error: no shipped recipe 'pointmaze_beam'; did you mean 'pointmaze_beam_search'?; known: "
    assert capfd.readouterr().err.startswith(message)


def test_report_asks_the_html_reporter_for_every_run(install: Install, tmp_path: Path) -> None:
    install("pages", REPORTER)
    runs = [tmp_path / "a", tmp_path / "b"]
    for folder in runs:
        folder.mkdir()
        (folder / "recipe.yaml").write_text("name: x\n")
    assert output("report", *map(str, runs)) == "".join(f"{folder / 'report.html'}\n" for folder in runs)
    assert [(folder / "report.html").read_text() for folder in runs] == ["a page", "a page"]


def test_report_refuses_a_folder_that_is_no_run(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert run_cli(["report", str(tmp_path)]) == 2
    assert capfd.readouterr().err == f"Error: {tmp_path}: not a run folder; it has no recipe.yaml\n"


def test_report_without_the_reporter_says_why(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("TTF_PLUGINS", "jsonl")
    assert run_cli(["report", str(tmp_path)]) == 4
    err = capfd.readouterr().err
    assert err.startswith("Error: plugin 'html' of trajectory-transformer ")
    assert err.endswith(" is disabled: TTF_PLUGINS does not name it\n")


@pytest.mark.parametrize("name", [(), ("decoder",)])
def test_components_say_why_there_are_none(
    name: tuple[str, ...], monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("TTF_PLUGINS", "none")
    assert run_cli(["components", *name]) == 0
    assert capfd.readouterr() == ("", "no kinds; TTF_PLUGINS leaves plugins out\n")


def test_doctor_shows_versions_devices_plugins_and_stores(
    install: Install, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    install("dice_d", PLUGIN)
    store = tmp_path / "store"
    (store / "maze" / "medium-v0" / "data").mkdir(parents=True)
    (store / "maze" / "medium-v0" / "data" / "metadata.json").touch()
    monkeypatch.setenv("MINARI_DATASETS_PATH", str(store))
    text = output("doctor")
    for line in ("  trajectory-transformer  0.1.0\n", " threads\n", f"  minari store            {store}\n"):
        assert line in text
    assert f"{'':26}maze/medium-v0\n" in text
    assert ["dice_d", "stranger", "1.2", "1", "loaded"] in [line.split()[:5] for line in text.splitlines()]


def test_doctor_and_runs_tell_the_versions_of_the_same_packages() -> None:
    shown = [line.split()[0] for line in output("doctor").split("\n\n")[0].splitlines()[1:]]
    assert shown == ["python", *PACKAGES]
    assert {"h5py", "pluggy", "safetensors"} <= set(versions())


def test_doctor_exits_with_4_if_a_plugin_failed(install: Install, capfd: pytest.CaptureFixture[str]) -> None:
    install("broken_e", "raise ValueError('[no] [/]')")
    total = run_cli(["doctor"])
    out, err = capfd.readouterr()
    assert total == 4
    assert "ValueError: [no] [/]" in out
    assert re.fullmatch(r"Error: 1 of \d+ plugins cannot be used\n", err)


def test_plugins_shows_state_distribution_version_api_and_time(
    install: Install, capfd: pytest.CaptureFixture[str]
) -> None:
    install("dice_i", PLUGIN)
    install("broken_i", "raise ValueError('[no] [/]')", distribution="breaker")
    install("old_i", PLUGIN.replace('ttf_api = "1"', 'ttf_api = "0"'), distribution="old-one")
    code = run_cli(["plugins"])
    out, err = capfd.readouterr()
    shown = {
        line.split()[0]: re.sub(r"\d+ ms", "N ms", " ".join(line.split())) for line in out.splitlines() if line.strip()
    }
    assert code == 4
    assert re.fullmatch(r"Error: 2 of \d+ plugins cannot be used\n", err)
    assert shown["name"] == "name distribution version api state import reason"
    assert shown["dice_i"] == "dice_i stranger 1.2 1 loaded N ms"
    assert shown["broken_i"] == "broken_i breaker 1.2 failed N ms ValueError: [no] [/]"
    assert shown["old_i"] == (
        "old_i old-one 1.2 0 incompatible N ms written for ttf_api = '0'; this is ttf_api = \"1\""
    )
    assert shown["gpt"] == "gpt trajectory-transformer 0.1.0 disabled N ms TTF_PLUGINS does not name it"


def test_plugins_as_json_has_the_components_too(install: Install) -> None:
    install("dice_j", "import time\ntime.sleep(0.05)\n" + PLUGIN)
    document = {plugin["name"]: plugin for plugin in json.loads(output("plugins", "--json"))}
    seconds = document["dice_j"].pop("seconds")
    assert 0.05 < seconds < 10
    assert document["dice_j"] == {
        "name": "dice_j",
        "distribution": "stranger",
        "version": "1.2",
        "state": "loaded",
        "reason": "",
        "api": "1",
        "components": {"decoder": ["dice"]},
    }
    assert document["gpt"]["state"] == "disabled"


def test_a_plugins_command_is_listed_and_runs(install: Install) -> None:
    install("dice_f", PLUGIN)
    assert "  throw       Throw them.\n" in output("--help")
    assert output("throw") == "4\n"


def test_a_plugin_whose_commands_raise_is_named_and_the_rest_works(install: Install) -> None:
    install("dice_g", PLUGIN.replace("@cli.command()", "raise ValueError('no')"))
    result = invoke("--help")
    assert result.exit_code == 0
    assert result.stderr == "Warning: plugin 'dice_g' of stranger 1.2: hook ttf_commands: ValueError: no\n"


def test_what_a_plugin_prints_while_it_adds_commands_goes_to_stderr(install: Install) -> None:
    install("dice_k", PLUGIN.replace("@cli.command()", "print('hello')\n    @cli.command()"))
    result = invoke("--help")
    assert result.stderr == "hello\n"
    assert "hello" not in result.stdout


def test_a_plugin_cannot_replace_a_built_in_command(install: Install) -> None:
    install("dice_h", PLUGIN.replace("def throw", "def run"))
    result = invoke("--help")
    assert result.stderr == "Warning: plugin 'dice_h' of stranger 1.2: there is a command 'run' already\n"
    assert "Throw them." not in result.stdout


@pytest.mark.usefixtures("builtin")
def test_recipes_and_kinds_are_completed() -> None:
    from ttf.cli import components, shipped

    context = click.Context(make_cli())
    parameter = click.Argument(["x"])
    names = [item.value for item in shipped.complete_recipes(context, parameter, "pointmaze_b")]
    assert names == ["pointmaze_beam_search", "pointmaze_b"]
    assert components.complete_components(context, parameter, "discretizer.q") == ["discretizer.quantile"]
