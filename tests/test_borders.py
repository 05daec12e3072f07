"""The borders between the parts, read off the source: docs/decisions/borders.md says what they are and why."""

from __future__ import annotations

import ast
import sys
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[1]
CORE = sorted((ROOT / "core" / "ttf").rglob("*.py"))
PLUGINS = sorted((ROOT / "plugins" / "ttf_plugins").rglob("*.py"))
SOURCES = [*CORE, *PLUGINS]
TESTS = sorted((ROOT / "tests").rglob("*.py"))

#: The only modules in which numpy arrays and torch tensors meet.
NUMPY_MEETS_TORCH = {
    "agent.py",  # observations come in, actions go out
    "episodes.py",  # rows become tokens, windows become batches
    "interop.py",  # reads weights from .npz files
    "policies.py",  # observations go into networks, actions come out
    "reconstruction.py",  # rows are encoded and decoded, for the report
    "transitions.py",  # episodes become the batches of critics
    "train.py",  # the order of the windows
    "training_state.py",  # both libraries' random states are saved
}

MAX_LINES, MAX_FUNCTION_LINES = 300, 60


@cache
def tree(file: Path) -> ast.Module:
    return ast.parse(file.read_text(encoding="utf-8"))


def name_of(file: Path) -> str:
    return file.relative_to(ROOT).as_posix()


def imports(node: ast.AST, *, at_run_time: bool = False) -> Iterator[str]:
    """Every module imported below a node, ``from a import b`` as ``a.b``."""
    for child in ast.iter_child_nodes(node):
        if at_run_time and isinstance(child, ast.If) and ast.unparse(child.test) == "TYPE_CHECKING":
            continue
        if isinstance(child, ast.Import):
            yield from (alias.name for alias in child.names)
        elif isinstance(child, ast.ImportFrom):
            yield from (f"{child.module}.{alias.name}" for alias in child.names)
        yield from imports(child, at_run_time=at_run_time)


def packages(file: Path) -> set[str]:
    """Top-level packages that a file imports at run time."""
    return {module.split(".")[0] for module in imports(tree(file), at_run_time=True)}


def calls(file: Path) -> Iterator[ast.Call]:
    return (node for node in ast.walk(tree(file)) if isinstance(node, ast.Call))


def broken(file: Path, nodes: Iterator[ast.expr]) -> list[str]:
    return [f"{name_of(file)}:{node.lineno}: {ast.unparse(node)}" for node in nodes]


def test_there_are_files_to_check() -> None:
    assert {"layout.py", "episodes.py", "agent.py", "search.py"} <= {file.name for file in CORE}
    assert {"gpt.py", "value_guided.py", "quantile.py"} <= {file.name for file in PLUGINS}
    assert len(TESTS) > 20


def test_core_imports_no_plugin() -> None:
    assert [
        name_of(file) for file in CORE if any(module.startswith("ttf_plugins") for module in imports(tree(file)))
    ] == []


@pytest.mark.parametrize("file", PLUGINS, ids=name_of)
def test_a_plugin_imports_no_sibling(file: Path) -> None:
    own = ".".join(file.relative_to(ROOT / "plugins").parts[:2])
    ours = [module for module in imports(tree(file)) if module.split(".")[0] == "ttf_plugins"]
    assert [module for module in ours if not f"{module}.".startswith(f"{own}.")] == []


@pytest.mark.parametrize("file", SOURCES, ids=name_of)
def test_no_import_is_relative(file: Path) -> None:
    nodes = ast.walk(tree(file))
    assert [node.lineno for node in nodes if isinstance(node, ast.ImportFrom) and node.level] == []


def test_a_plugins_card_imports_nothing_heavy() -> None:
    cards = [file for file in PLUGINS if file.name == "__init__.py" and file.parent.name != "ttf_plugins"]
    assert len(cards) >= 11
    light = {*sys.stdlib_module_names, "pydantic", "ttf"}
    for card in cards:
        top = ast.Module([node for node in tree(card).body if not isinstance(node, ast.ClassDef)], [])
        assert {module.split(".")[0] for module in imports(top, at_run_time=True)} <= light, name_of(card)


@pytest.mark.parametrize("file", [file for file in SOURCES if file.name != "layout.py"], ids=name_of)
def test_only_layout_works_out_where_a_column_sits(file: Path) -> None:
    assert broken(file, (node for node in ast.walk(tree(file)) if isinstance(node, ast.expr) and places(node))) == []


def places(node: ast.expr) -> bool:
    """Whether an expression works out a column: O + A, D - 1, position mod D, or [..., -2]."""
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
        return is_count(node.left, "observation", "action") or is_count(node.right, "observation", "action")
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Sub):
        return is_count(node.left, "observation", "action", "width")
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mod):
        return is_count(node.right, "width")
    if isinstance(node, ast.Subscript) and isinstance(node.slice, ast.Tuple) and node.slice.elts:
        return ast.unparse(node.slice.elts[-1]) in {"-2", "-3", "-4"}
    return False


def is_count(node: ast.expr, *names: str) -> bool:
    """Whether an expression is one of these counts of a layout."""
    return isinstance(node, ast.Attribute) and node.attr in names and ast.unparse(node.value).endswith("layout")


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("layout.observation + layout.action", True),
        ("1 + self.layout.action", True),
        ("model.layout.width - 1", True),
        ("position % layout.width", True),
        ("tokens[:, -2]", True),
        ("config.width - 1", False),
        ("n * layout.width", False),
        ("x.shape[-2]", False),
    ],
)
def test_the_check_of_columns_finds_what_it_looks_for(code: str, expected: bool) -> None:
    assert places(ast.parse(code, mode="eval").body) is expected


def test_only_the_run_folder_knows_its_file_names() -> None:
    names = {"metrics.jsonl", "episodes.jsonl", "result.json", "run.json", "trajectories.safetensors", "report.html"}
    names |= {"metrics.csv", "episodes.csv"}
    users = {
        file.name
        for file in SOURCES
        for node in ast.walk(tree(file))
        if isinstance(node, ast.Constant) and node.value in names
    }
    assert users == {"run_dir.py"}


@pytest.mark.parametrize("file", [file for file in SOURCES if file.parent.name != "cli"], ids=name_of)
def test_only_the_command_line_prints(file: Path) -> None:
    printing = {"print", "click.echo", "click.secho", "sys.stdout.write", "sys.stderr.write"}
    assert broken(file, (call for call in calls(file) if ast.unparse(call.func) in printing)) == []
    assert "rich" not in packages(file)


def test_numpy_meets_torch_only_where_rows_become_tokens_and_plans_become_actions() -> None:
    assert {file.name for file in CORE if {"numpy", "torch"} <= packages(file)} == NUMPY_MEETS_TORCH
    assert [name_of(file) for file in PLUGINS if {"numpy", "torch"} <= packages(file)] == []


@pytest.mark.parametrize("file", SOURCES, ids=name_of)
def test_nothing_can_run_what_a_file_says(file: Path) -> None:
    imported = set(imports(tree(file)))
    assert {
        module for module in imported if module.split(".")[0] in {"pickle", "dill", "cloudpickle", "shelve"}
    } == set()
    called = {ast.unparse(call.func) for call in calls(file)}
    assert called & {"eval", "exec", "compile", "torch.load", "torch.save", "yaml.load", "joblib.load"} == set()
    keywords = (keyword for call in calls(file) for keyword in call.keywords if keyword.arg == "allow_pickle")
    assert [ast.unparse(keyword) for keyword in keywords if ast.unparse(keyword.value) != "False"] == []


@pytest.mark.parametrize("file", SOURCES, ids=name_of)
def test_a_file_is_one_idea(file: Path) -> None:
    assert len(file.read_text(encoding="utf-8").splitlines()) <= MAX_LINES


@pytest.mark.parametrize("file", [*SOURCES, *TESTS], ids=name_of)
def test_a_function_fits_on_a_screen(file: Path) -> None:
    functions = (node for node in ast.walk(tree(file)) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))
    lines = {node.name: (node.end_lineno or 0) - node.lineno + 1 for node in functions}
    assert {name: count for name, count in lines.items() if count > MAX_FUNCTION_LINES} == {}
