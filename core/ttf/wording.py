"""Say in plain words, and at its place in the recipe, what pydantic found wrong."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, get_args

from ttf.component import SLOTS
from ttf.errors import did_you_mean
from ttf.section import Section
from ttf.sections import EvaluationConfig, StudyConfig, TrainingConfig
from ttf.source import look_up, shown

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pydantic import ValidationError
    from pydantic_core import ErrorDetails

    from ttf.requirements import Components
    from ttf.source import Keys, Source

#: What was expected, by the type of pydantic's error, with the names of its context.
_EXPECTED = {
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "bool_type": "true or false",
    "string_type": "text",
    "list_type": "a list",
    "dict_type": "a mapping",
    "model_type": "a mapping",
    "model_attributes_type": "a mapping",
    "greater_than_equal": "at least {ge}",
    "greater_than": "more than {gt}",
    "less_than_equal": "at most {le}",
    "less_than": "less than {lt}",
    "multiple_of": "a multiple of {multiple_of}",
    "string_pattern_mismatch": "of the form {pattern}",
    "string_too_short": "at least {min_length} characters long",
    "string_too_long": "at most {max_length} characters long",
    "too_short": "at least {min_length} items long",
    "too_long": "at most {max_length} items long",
    "literal_error": "{expected}",
}


def note_validation_errors(source: Source, error: ValidationError, components: Components) -> None:
    """Note a problem for every value that failed, but for those refused already."""
    found: dict[Keys, list[ErrorDetails]] = {}
    for details in error.errors(include_url=False):
        found.setdefault(_path(source.data, details), []).append(details)
    for at, errors in found.items():
        if not any(at[:length] in source.refused for length in range(len(at) + 1)):
            text = _text(errors, at, _known_fields(source.data, at[:-1], components))
            unknown = errors[0]["type"] == "extra_forbidden"
            source.note(source.keys[at] if unknown else source.place(at), text, at)


def _path(data: object, details: ErrorDetails) -> Keys:
    """Pydantic's location without the kinds and union members that it puts between the keys."""
    location = list(details["loc"])
    tag = 2 if SLOTS.get(str(location[0]), (None, False))[1] else 1
    if location[0] in SLOTS:
        del location[tag : tag + 1]
    at: Keys = ()
    for key in location:
        node = look_up(data, at)
        inside = key in node if isinstance(node, dict) else isinstance(node, list) and isinstance(key, int)
        at = (*at, key) if inside else at
    return (*at, location[-1]) if details["type"] == "missing" else at


def _text(errors: list[ErrorDetails], at: Keys, fields: Iterable[str]) -> str:
    first = errors[0]
    value = first["input"]
    if first["type"] == "missing":
        return "missing"
    if first["type"] == "extra_forbidden":
        return f"unknown field{did_you_mean(str(at[-1]), fields)}" if fields else "unknown field"
    if first["type"] == "literal_error" and isinstance(value, str):
        return f"unknown value {shown(value)}{did_you_mean(value, _choices(errors))}"
    if first["type"] in ("value_error", "assertion_error"):
        return " ".join(str(first.get("ctx", {}).get("error", first["msg"])).split())
    expected = list(dict.fromkeys(_expected(details) for details in errors))
    found = f"{len(value)}" if first["type"] in _LENGTHS and value is not None else shown(value)
    hint = "; write {} for the defaults" if value is None and first["type"].startswith("model_") else ""
    return f"must be {_listed(expected)}, found {found}{hint}"


_LENGTHS = ("string_too_short", "string_too_long", "too_short", "too_long")


def _choices(errors: list[ErrorDetails]) -> list[str]:
    return [word for details in errors for word in re.findall(r"'([^']*)'", details.get("ctx", {}).get("expected", ""))]


def _expected(details: ErrorDetails) -> str:
    template = _EXPECTED.get(details["type"])
    if template is None:
        return f"valid ({details['msg']})"
    return template.format(**{name: _number(value) for name, value in details.get("ctx", {}).items()})


def _number(value: Any) -> Any:  # noqa: ANN401  (a bound of any type)
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _listed(words: list[str]) -> str:
    return " or ".join(words) if len(words) < 3 else f"{', '.join(words[:-1])} or {words[-1]}"


def _known_fields(data: object, at: Keys, components: Components) -> list[str]:
    """The fields of the section at a path; none if it is deeper than sections go."""
    from ttf.recipe import Recipe

    sections: dict[object, type[Section]] = {
        "training": TrainingConfig,
        "evaluation": EvaluationConfig,
        "study": StudyConfig,
    }
    if not at:
        return list(Recipe.model_fields)
    if at[0] in sections and len(at) == 1:
        return list(sections[at[0]].model_fields)
    slot = str(at[0])
    length = 1 + SLOTS[slot][1] if slot in SLOTS else len(at) + 1
    kind = look_up(data, (*at[:length], "kind")) if length <= len(at) else None
    section: type[Section] | None = components[slot][kind] if isinstance(kind, str) else None
    for key in at[length:]:
        section = _inner(section, str(key))
    return list(section.model_fields) if section is not None else []


def _inner(section: type[Section] | None, name: str) -> type[Section] | None:
    """The section that a field of a section holds, if it holds one."""
    field = section.model_fields.get(name) if section is not None else None
    kinds = (field.annotation, *get_args(field.annotation)) if field is not None else ()
    return next((kind for kind in kinds if isinstance(kind, type) and issubclass(kind, Section)), None)
