"""What plugins may rely on is written down, changes only when that is meant, and suffices for strangers' plugins."""

from __future__ import annotations

import ast
import difflib
import importlib
import re
from pathlib import Path

import pytest
from tools.public_api import PUBLIC, RECORD, described

ROOT = Path(__file__).parents[2]
STRANGERS = [
    *sorted((ROOT / "examples").rglob("*.py")),
    *sorted((ROOT / "core" / "ttf" / "new" / "templates").rglob("*.py")),
]
ADVICE = """what plugins may rely on has changed:

{changes}

If that is meant: run `make public-api`, keep what docs/api_stability.md promises (a deprecation, or a new ttf_api), and
say it in CHANGELOG.md.
"""


def test_public_signatures_have_not_changed_unnoticed() -> None:
    recorded, found = RECORD.read_text(encoding="utf-8"), described()
    changes = "\n".join(
        difflib.unified_diff(recorded.splitlines(), found.splitlines(), "recorded", "found", lineterm="")
    )
    assert recorded == found, ADVICE.format(changes=changes)


def test_the_record_has_fields_methods_bounds_and_defaults() -> None:
    lines = [line.strip() for line in described().splitlines()]
    for line in (
        "class Discretizer(Module, ABC)",
        "abstract def encode(self, values: Tensor, at: int = 0) -> Tensor",
        "bins: Annotated[int, Field(ge=2, le=4096)] = 100",
        "property width -> int",
        "tokens: Tensor",
        "def content_hash(episodes: Iterable[Episode]) -> str",
    ):
        assert line in lines


def test_the_page_on_stability_lists_the_public_modules() -> None:
    page = (ROOT / "docs" / "api_stability.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| (`ttf[^|]*) \|", page, re.MULTILINE)
    listed = [name for row in rows for name in re.findall(r"`([\w.]+)`", row)]
    assert sorted(listed) == sorted(PUBLIC)


def test_every_contract_is_public() -> None:
    contracts = {f"ttf.interfaces.{file.stem}" for file in (ROOT / "core" / "ttf" / "interfaces").glob("[!_]*.py")}
    assert len(contracts) >= 11
    assert contracts <= {*PUBLIC}


def test_there_are_strangers_to_check() -> None:
    assert {"kmeans.py", "mppi.py", "my_model.py", "test_my_data.py"} <= {file.name for file in STRANGERS}


@pytest.mark.parametrize("file", STRANGERS, ids=lambda file: file.relative_to(ROOT).as_posix())
def test_strangers_import_public_names_only(file: Path) -> None:
    tree = ast.parse(file.read_text(encoding="utf-8"))
    whole = [alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names]
    assert [name for name in whole if name.split(".")[0] in ("ttf", "ttf_plugins")] == []
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] in ("ttf", "ttf_plugins"):
            assert node.module in PUBLIC, node.module
            names = {alias.name for alias in node.names}
            assert names <= {*importlib.import_module(str(node.module)).__all__}, node.module
