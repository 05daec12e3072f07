"""Every file of the corpus: `validate` and the JSON Schema agree, and the message is the one beside it."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from jsonschema import Draft202012Validator

from ttf.errors import RecipeError
from ttf.recipe import dump, load
from ttf.schema import recipe_schema
from ttf.yaml_source import read_file

if TYPE_CHECKING:
    from ttf.registry import Registry

CORPUS = Path(__file__).parents[1] / "corpus"
GOOD = sorted((CORPUS / "good").glob("*.yaml"))
BAD = sorted((CORPUS / "bad").glob("*.yaml"))
SCHEMA = Path(__file__).parents[2] / "docs" / "recipe.schema.json"


@pytest.fixture(scope="module")
def validator(builtin_registry: Registry) -> Draft202012Validator:
    schema = recipe_schema(builtin_registry)
    Draft202012Validator.check_schema(schema)
    return Draft202012Validator(schema)


def schema_accepts(validator: Draft202012Validator, file: Path) -> bool:
    try:
        source = read_file(file)
    except RecipeError:
        return False
    return not source.problems and validator.is_valid(source.data)


def test_the_corpus_is_there() -> None:
    assert len(GOOD) >= 30
    assert len(BAD) >= 100


@pytest.mark.parametrize("file", GOOD, ids=lambda file: file.stem)
def test_a_good_recipe_is_accepted_and_its_dump_loads_to_an_equal_recipe(
    file: Path, builtin_registry: Registry, validator: Draft202012Validator, tmp_path: Path
) -> None:
    recipe = load(file, builtin_registry)
    assert schema_accepts(validator, file)
    copy = tmp_path / "copy.yaml"
    copy.write_text(dump(recipe), encoding="utf-8")
    assert load(copy, builtin_registry) == recipe
    assert schema_accepts(validator, copy)


@pytest.mark.parametrize("file", BAD, ids=lambda file: file.stem)
def test_a_bad_recipe_is_refused_with_the_message_beside_it(
    file: Path, builtin_registry: Registry, validator: Draft202012Validator
) -> None:
    start = time.process_time()
    with pytest.raises(RecipeError) as error:
        load(file, builtin_registry)
    assert time.process_time() - start < 0.2
    assert str(error.value).replace(str(file), file.name) + "\n" == file.with_suffix(".txt").read_text("utf-8")
    assert not schema_accepts(validator, file)


def test_the_published_schema_is_that_of_the_built_in_components(builtin_registry: Registry) -> None:
    published = json.loads(SCHEMA.read_text("utf-8"))
    assert published == recipe_schema(builtin_registry), "run: TTF_PLUGINS=trajectory-transformer ttf schema"
