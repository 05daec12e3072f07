"""Whatever is in the file, only RecipeError comes out; and what the schema thinks of it is what load thinks."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from ttf.component import SLOTS
from ttf.errors import RecipeError
from ttf.recipe import Recipe, load
from ttf.schema import recipe_schema
from ttf.yaml_source import read_file

if TYPE_CHECKING:
    from ttf.registry import Registry

#: The schema's own, which would hide what has failed.
pytestmark = pytest.mark.filterwarnings("ignore:Generating overly large repr")

FULL = (Path(__file__).parents[1] / "corpus" / "good" / "full.yaml").read_text("utf-8")
WORDS = [*Recipe.model_fields, "kind", "quantile", "gpt", "minari", "bins", "options", "steps", "layers", "window"]
PIECES = ["&a", "*a", "!!int", "{", "}", "[", "]", ": ", "- ", "? ", "\n", "  ", "\t", "'", '"', "|", ">", "#", "---\n"]
PIECES += ["...\n", "%YAML 1.1\n", "0x", "1e400", ".nan", "2026-13-45", "\0", "\x85", "\ufeff", "\r", "<<", "~", "@"]

SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | st.sampled_from(WORDS)
TREES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(WORDS) | SCALARS, inner, max_size=5),
    max_leaves=25,
)
SETTINGS = settings(max_examples=330, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.fixture(scope="module")
def validator(builtin_registry: Registry) -> Draft202012Validator:
    return Draft202012Validator(recipe_schema(builtin_registry))


def check(content: bytes, registry: Registry, validator: Draft202012Validator, folder: Path) -> None:
    file = folder / "r.yaml"
    file.write_bytes(content)
    problems: list[str] = []
    try:
        load(file, registry)
    except RecipeError as error:
        problems = str(error).split("\n")
    assert all(line.startswith((f"{file}:", "... and ")) for line in problems)
    accepted = not problems
    try:
        source = read_file(file)
    except RecipeError:
        assert not accepted
        return
    assert accepted == (not source.problems and validator.is_valid(source.data))


def flow(tree: object) -> str:
    """The tree as somebody who does not know YAML well would write it."""
    if isinstance(tree, dict):
        return "{" + ", ".join(f"{flow(key)}: {flow(value)}" for key, value in tree.items()) + "}"
    if isinstance(tree, list):
        return "[" + ", ".join(map(flow, tree)) + "]"
    return str(tree)


@SETTINGS
@example(content=b"!tag\nname: x")
@example(content=b"&anchor\nname: x")
@given(content=st.binary(max_size=200) | st.lists(st.sampled_from(WORDS + PIECES)).map(lambda s: "".join(s).encode()))
def test_raw_text(content: bytes, builtin_registry: Registry, validator: Draft202012Validator, tmp_path: Path) -> None:
    check(content, builtin_registry, validator, tmp_path)


@SETTINGS
@given(tree=st.dictionaries(st.sampled_from([*Recipe.model_fields]), TREES, max_size=6))
def test_random_structures_with_real_names(
    tree: dict[str, Any], builtin_registry: Registry, validator: Draft202012Validator, tmp_path: Path
) -> None:
    text = "\n".join(f"{key}: {flow(value)}" for key, value in tree.items())
    check(text.encode(errors="replace"), builtin_registry, validator, tmp_path)


@SETTINGS
@given(data=st.data())
def test_mutations_of_a_valid_recipe(
    data: st.DataObject, builtin_registry: Registry, validator: Draft202012Validator, tmp_path: Path
) -> None:
    text = FULL
    for _ in range(data.draw(st.integers(1, 4))):
        start = data.draw(st.integers(0, len(text)))
        end = min(len(text), start + data.draw(st.integers(0, 12)))
        text = text[:start] + data.draw(st.sampled_from(["", *WORDS, *PIECES]) | SCALARS.map(str)) + text[end:]
    check(text.encode(errors="replace"), builtin_registry, validator, tmp_path)


@SETTINGS
@given(data=st.data())
def test_a_field_with_any_value(
    data: st.DataObject, builtin_registry: Registry, validator: Draft202012Validator, tmp_path: Path
) -> None:
    slot = data.draw(st.sampled_from([slot for slot, (_, several) in SLOTS.items() if not several]))
    kind = data.draw(st.sampled_from(builtin_registry.kinds(slot)))
    fields = builtin_registry.components(slot)[kind].model_fields
    section = {"kind": kind, data.draw(st.sampled_from([*fields])): data.draw(TREES)}
    text = "name: x\ndata: {kind: minari}\n" if slot != "data" else "name: x\n"
    check((text + f"{slot}: {flow(section)}").encode(errors="replace"), builtin_registry, validator, tmp_path)
