"""Every slot has a checker, which the page on plugins lists and the built-in components are tested with."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import ttf.testing
from ttf.component import SLOTS

if TYPE_CHECKING:
    from ttf.registry import Registry

ROOT = Path(__file__).parents[3]
PAGE = (ROOT / "docs" / "write_a_plugin.md").read_text(encoding="utf-8")
CHECKERS = dict(re.findall(r"^\| `(\w+)` \| `(check_\w+)` \|", PAGE, re.MULTILINE))


def test_every_slot_has_a_checker_on_the_page_on_plugins() -> None:
    assert list(CHECKERS) == list(SLOTS)
    assert sorted(CHECKERS.values()) == [name for name in ttf.testing.__all__ if name.startswith("check_")]


def test_every_built_in_component_is_tested_with_the_checker_of_its_slot(builtin_registry: Registry) -> None:
    texts = [file.read_text(encoding="utf-8") for file in (ROOT / "tests" / "plugins").rglob("test_*.py")]
    for slot, checker in CHECKERS.items():
        components = builtin_registry.components(slot).values()
        assert components
        tested = {kind for kind in components for text in texts if f"{checker}(" in text and kind.__name__ in text}
        assert {kind.__name__ for kind in components} == {kind.__name__ for kind in tested}
