"""What is checked of every component's configuration, whatever its slot."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from ttf.component import SLOTS, Component
from ttf.component_rules import checked
from ttf.errors import PluginError, RecipeError
from ttf.recipe import Recipe, dump, narrowed_model
from ttf.testing.corridor import CorridorConfig
from ttf.testing.requirement import require
from ttf.yaml_source import read_file

if TYPE_CHECKING:
    from collections.abc import Mapping

_LIMITS = {"minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "enum", "const"}


def check_configuration(config: Component) -> None:
    """Check that a configuration can stand in a recipe, and that a run's own recipe says the same again.

    Raises:
        AssertionError: a rule is broken; the message says which.
    """
    kind = type(config)
    try:
        checked(kind)
    except PluginError as error:
        message = f"{error}; a field has a default, a bound and a sentence below it, a kind is one literal"
        raise AssertionError(message) from error
    for setting in ("frozen", "strict"):
        require(kind.model_config.get(setting), f"{kind.__name__}: {setting} is off; leave model_config alone")
    extra = kind.model_config.get("extra")
    require(
        extra == "forbid", f"{kind.__name__}: extra is {extra!r}, which takes misspelt fields; leave model_config alone"
    )
    _check_bounds(kind)
    _check_round_trip(config)


def _check_bounds(kind: type[Component]) -> None:
    """Every number of the component's own has a bound."""
    fields: Mapping[str, Any] = kind.model_json_schema()["properties"]
    for name in kind.model_fields.keys() - SLOTS[kind.slot][0].model_fields.keys():
        for option in fields[name].get("anyOf", [fields[name]]):
            require(
                option.get("type") not in ("integer", "number") or option.keys() & _LIMITS != set(),
                f"{kind.__name__}: field {name!r} is a number without a bound; "
                "write Annotated[int, Field(ge=1, le=1000)] or the like",
            )


def _check_round_trip(config: Component) -> None:
    """The recipe that a run saves gives an equal configuration."""
    kind, slot = type(config), config.slot
    parts: dict[str, Any] = {"data": CorridorConfig(), slot: [config] if SLOTS[slot][1] else config}
    narrowed = narrowed_model(
        {"data": [type(parts["data"])], **{other: [] for other in SLOTS if other != "data"}, slot: [kind]}
    )
    with TemporaryDirectory() as folder:
        file = Path(folder) / "recipe.yaml"
        file.write_text(dump(Recipe(name="check", **parts)), encoding="utf-8")
        try:
            again = getattr(narrowed.model_validate(read_file(file).data), slot)
        except (ValidationError, RecipeError) as error:
            message = f"{kind.__name__}: the recipe that a run saves is refused: {' '.join(str(error).split())}"
            raise AssertionError(message) from error
    require(
        again == parts[slot],
        f"{kind.__name__}: the recipe that a run saves gives {again!r}, not {parts[slot]!r}; "
        "fields must be plain data, and a validator must leave what it has made",
    )
