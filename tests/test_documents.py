"""What is written for people is true: recipes, generated pages, links, and the code in the pages."""

from __future__ import annotations

import importlib
import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from ruamel.yaml import YAML

from ttf.ablate.study import load_study
from ttf.cli.edge import run_cli
from ttf.cli.group import make_cli
from ttf.cli.shipped import shipped_recipes
from ttf.data_check.check import check_data
from ttf.errors import TtfError
from ttf.interrupts import EXIT_CODES
from ttf.recipe import load
from ttf.registry import load_registry
from ttf.requirements import component_sections
from ttf.source import look_up
from ttf.testing.quiet import Quiet

if TYPE_CHECKING:
    from ttf.registry import Registry

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
RECIPES = sorted((ROOT / "recipes").glob("*.yaml"))
SMOKE = sorted((ROOT / "recipes" / "smoke").glob("*.yaml"))
FULL = sorted((ROOT / "recipes" / "full").glob("*.yaml"))
STUDIES = sorted((ROOT / "recipes" / "studies").glob("*.yaml"))
PAGES = [*sorted(ROOT.glob("*.md")), *(page for page in sorted(DOCS.rglob("*.md")) if "_build" not in page.parts)]
BLOCK = re.compile(r"(?:<!-- (tested)(?:: (\S+))? -->\n)?```(\w+)\n(.*?)```", re.DOTALL)


def name_of(file: Path) -> str:
    return file.relative_to(ROOT).as_posix()


def kinds(file: Path) -> list[tuple[str, str]]:
    """Slot and kind of every component of a recipe."""
    data = YAML(typ="safe").load(file)
    sections: list[Any] = [(slot, look_up(data, at)) for slot, at in component_sections(data)]
    return [(slot, section["kind"]) for slot, section in sections]


def blocks(page: str, language: str, *, tested: bool = False) -> dict[str, str]:
    """Code of a page by the file it is said to be, else by its number."""
    found = BLOCK.findall((ROOT / page).read_text(encoding="utf-8"))
    chosen = [(name, code) for mark, name, kind, code in found if kind == language and (mark or not tested)]
    assert chosen, f"{page} has no such {language}"
    return {name or str(number): code for number, (name, code) in enumerate(chosen)}


def test_there_are_recipes_and_pages_to_check() -> None:
    assert ROOT / "recipes" / "pointmaze_beam_search.yaml" in RECIPES
    assert {"README.md", "docs/method.md", "docs/reference/recipe.md"} <= {name_of(page) for page in PAGES}


@pytest.mark.parametrize("file", [*RECIPES, *SMOKE, *FULL, *STUDIES], ids=name_of)
def test_a_shipped_recipe_is_valid(file: Path, builtin_registry: Registry) -> None:
    names = {"recipes": "{}", "smoke": "smoke_{}", "full": "{}_full", "studies": "study_{}"}
    assert load(file, builtin_registry).name == names[file.parent.name].format(file.stem)


def test_no_two_shipped_recipes_share_a_folder_of_runs(builtin_registry: Registry) -> None:
    shipped = shipped_recipes()
    assert len(shipped) == len([*RECIPES, *SMOKE, *FULL, *STUDIES])
    names = {load(file, builtin_registry).name for file in shipped.values()}
    assert len(names) == len(shipped)


@pytest.mark.parametrize("file", [*RECIPES, *SMOKE, *FULL, *STUDIES], ids=name_of)
def test_a_shipped_recipe_names_its_schema_says_what_it_is_and_explains_every_component(file: Path) -> None:
    lines = file.read_text(encoding="utf-8").splitlines()
    schema = lines[0].removeprefix("# yaml-language-server: $schema=")
    assert (file.parent / schema).resolve() == DOCS / "recipe.schema.json"
    assert lines[1].startswith("# ")
    for index, line in enumerate(lines):
        section = re.match(r"(data|discretizer|model|training|decoder|environment|reporters):", line)
        if section:
            explained = "#" in line or lines[index - 1].startswith("#") or lines[index + 1].lstrip().startswith("#")
            assert explained, f"{name_of(file)}:{index + 1}: {section[1]} has no comment beside it"


def test_every_shipped_recipe_has_a_smoke_twin_of_the_same_kinds() -> None:
    assert [file.name for file in SMOKE] == [file.name for file in RECIPES]
    for file, twin in zip(RECIPES, SMOKE, strict=True):
        assert kinds(twin) == kinds(file), name_of(twin)


def test_every_full_size_recipe_has_a_small_one_of_the_same_kinds() -> None:
    assert FULL
    for file in FULL:
        assert kinds(ROOT / "recipes" / file.name) == kinds(file), name_of(file)


@pytest.mark.parametrize("file", STUDIES, ids=name_of)
def test_every_cell_of_a_shipped_study_is_valid(file: Path, builtin_registry: Registry) -> None:
    study = load_study(file, builtin_registry, [], [], None, lambda _: None)
    assert len(study.cells) >= 3
    assert {len(trials) for trials in study.cells.values()} == {5}


def test_the_generated_pages_are_up_to_date() -> None:
    done = subprocess.run(
        [sys.executable, DOCS / "generate.py", "--check"], capture_output=True, text=True, check=False
    )
    assert (done.stdout, done.stderr, done.returncode) == ("", "", 0)


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_links_between_pages_lead_somewhere(page: Path) -> None:
    text = re.sub(r"```.*?```|<!--.*?-->", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)
    links = re.findall(r"\]\(([^)\s]+)\)", text)
    local = [link.partition("#")[0] for link in links if not re.match(r"https?:|#", link)]
    assert [link for link in local if not (page.parent / link).exists()] == []


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_the_commands_and_targets_that_a_page_names_exist(page: Path) -> None:
    shell = "\n".join(code for _, _, kind, code in BLOCK.findall(page.read_text(encoding="utf-8")) if kind == "bash")
    commands = set(re.findall(r"^(?:\.venv/bin/)?ttf ([a-z]+)", shell, re.MULTILINE))
    assert commands - set(make_cli().commands) == set()
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"^([a-z-]+):", makefile, re.MULTILINE))
    assert set(re.findall(r"^make ([a-z-]+)", shell, re.MULTILINE)) - targets == set()


def test_the_overrides_in_the_readme_are_valid(builtin_registry: Registry) -> None:
    lines = "\n".join(blocks("README.md", "bash").values())
    overrides = re.findall(r"--set (?:'([^']+)'|(\S+))", lines)
    assert len(overrides) >= 2
    for quoted, plain in overrides:
        load(ROOT / "recipes" / "pointmaze_beam_search.yaml", builtin_registry, [quoted or plain])


def test_every_exit_code_is_in_the_readme() -> None:
    errors: list[type[TtfError]] = [TtfError, *TtfError.__subclasses__()]
    codes = {error.exit_code for error in errors} | {0, *EXIT_CODES.values()}
    text = (ROOT / "README.md").read_text(encoding="utf-8").partition("## Exit codes")[2].partition("\n## ")[0]
    rows = re.findall(r"^\| ([\d, ]+) \|", text, re.MULTILINE)
    assert {int(code) for row in rows for code in row.split(",")} == codes


def test_the_plugin_that_the_documentation_writes_works(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, code in blocks("docs/write_a_plugin.md", "python", tested=True).items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(code, encoding="utf-8")
    info = tmp_path / "ttf_asinh-0.1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: ttf-asinh\nVersion: 0.1.0\n", encoding="utf-8")
    (project,) = blocks("docs/write_a_plugin.md", "toml").values()
    point = project.partition("[project.entry-points.ttf]\n")[2].replace('"', "")
    (info / "entry_points.txt").write_text(f"[ttf]\n{point}", encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setenv("TTF_PLUGINS", "ttf-asinh")
    registry = load_registry()
    assert [
        (plugin.name, plugin.state, plugin.reason) for plugin in registry.plugins if plugin.state != "disabled"
    ] == [("asinh", "loaded", "")]
    assert registry.kinds("discretizer") == ["asinh"]
    importlib.import_module("test_asinh").test_asinh_keeps_the_contract()


@pytest.fixture
def own_data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder in which all code of the page on own data has run, and its recipes lie."""
    monkeypatch.setenv("MINARI_DATASETS_PATH", str(tmp_path / "store"))
    monkeypatch.chdir(tmp_path)
    programs = blocks("docs/own_data.md", "python", tested=True)
    assert list(programs) == ["record.py", "arrays.py", "hdf5.py"]
    for name, code in (programs | blocks("docs/own_data.md", "yaml", tested=True)).items():
        (tmp_path / name).write_text(code, encoding="utf-8")
    for name in programs:
        subprocess.run([sys.executable, name], check=True, capture_output=True)
    return tmp_path


def test_the_data_sets_that_the_documentation_makes_are_read(own_data: Path, builtin_registry: Registry) -> None:
    for name, count, length in (("mine.yaml", 60, 200), ("file.yaml", 10, 30)):
        recipe = load(own_data / name, builtin_registry)
        source = recipe.data.build(seed=0, progress=Quiet())
        assert [len(episode) for episode in source.episodes()] == [length] * count
        assert source.environment is not None
        assert source.environment.id == "Pendulum-v1"


@pytest.mark.usefixtures("own_data")
def test_what_the_documentation_says_of_its_data_is_what_is_printed(capfd: pytest.CaptureFixture[str]) -> None:
    (text,) = blocks("docs/own_data.md", "text", tested=True).values()
    command, _, shown = text.partition("\n")
    assert run_cli(command.removeprefix("$ ttf ").split()) == 0
    printed = [line.rstrip() for line in capfd.readouterr().out.splitlines()]
    assert printed == shown.splitlines()


def test_the_data_that_the_documentation_records_has_no_warning(own_data: Path, builtin_registry: Registry) -> None:
    report = check_data(load(own_data / "mine.yaml", builtin_registry), Quiet())
    assert [(finding.name, finding.level) for finding in report.findings] == [("few-transitions", "note")]


def test_the_recipe_in_the_guide_is_valid(tmp_path: Path, builtin_registry: Registry) -> None:
    (text,) = blocks("docs/recipes.md", "yaml").values()
    (tmp_path / "hopper.yaml").write_text(text, encoding="utf-8")
    assert load(tmp_path / "hopper.yaml", builtin_registry).name == "hopper"
