"""Write down what plugins may rely on, tests/core/public_api.txt: every public name with its signature."""

from __future__ import annotations

import dataclasses
import importlib
import inspect
import re
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_origin

from ttf.section import Section

if TYPE_CHECKING:
    from collections.abc import Iterator

RECORD = Path(__file__).parents[1] / "tests" / "core" / "public_api.txt"

PUBLIC = (
    "ttf",
    "ttf.beam",
    "ttf.binning",
    "ttf.component",
    "ttf.episode_hash",
    "ttf.episodes",
    "ttf.errors",
    "ttf.findings",
    "ttf.hookspecs",
    "ttf.interfaces.analysis",
    "ttf.interfaces.critic",
    "ttf.interfaces.data",
    "ttf.interfaces.decoder",
    "ttf.interfaces.discretizer",
    "ttf.interfaces.environment",
    "ttf.interfaces.launcher",
    "ttf.interfaces.learner",
    "ttf.interfaces.model",
    "ttf.interfaces.policy",
    "ttf.interfaces.progress",
    "ttf.interfaces.reporter",
    "ttf.layout",
    "ttf.observations",
    "ttf.policies",
    "ttf.processes",
    "ttf.reader",
    "ttf.run_dir",
    "ttf.sampling",
    "ttf.search",
    "ttf.section",
    "ttf.testing",
)
"""The public modules; of each, what its ``__all__`` names. docs/api_stability.md says what is promised."""


def described() -> str:
    """Every public name and its members, a line each."""
    return "".join(f"{line}\n" for module in PUBLIC for line in _module(module))


def _module(name: str) -> Iterator[str]:
    module = importlib.import_module(name)
    yield name
    for word in module.__all__:
        yield from (f"    {line}" for line in _named(word, getattr(module, word)))
    yield ""


def _named(name: str, value: Any) -> Iterator[str]:  # noqa: ANN401  (anything a module may hold)
    if inspect.isclass(value):
        bases = ", ".join(base.__name__ for base in value.__bases__ if base is not object)
        yield f"class {name}({bases})" if bases else f"class {name}"
        yield from (f"    {line}" for line in _members(value))
    elif inspect.isfunction(value):
        yield f"def {name}{_signature(value)}"
    elif get_origin(value) is not None:
        yield f"{name}: an annotation"
    else:
        yield f"{name}: {type(value).__name__}{_shown(name, value)}"


def _shown(name: str, value: object) -> str:
    """The value of a constant, if it is one that plugins see: not the version, which changes with every release."""
    if isinstance(value, dict):
        value = tuple(value)
    plain = isinstance(value, str | tuple) and not name.startswith("__")
    return f" = {value!r}" if plain else ""


def _members(kind: type) -> Iterator[str]:
    """Fields, then methods, of a class's own; what it inherits stands with its bases."""
    fields = inspect.get_annotations(kind)
    for name, annotation in fields.items():
        if not name.startswith("_"):
            yield f"{name}: {_text(annotation)}{_default(kind, name)}"
    generated = dataclasses.is_dataclass(kind) or issubclass(kind, Section)  # its constructor follows from its fields
    for name, value in vars(kind).items():
        if name not in fields and (not name.startswith("_") or (name == "__init__" and not generated)):
            yield from _member(name, value)


def _default(kind: type, name: str) -> str:
    field = kind.model_fields.get(name) if issubclass(kind, Section) else None
    if field is not None:
        return "" if field.is_required() else f" = {field.get_default(call_default_factory=True)!r}"
    value = vars(kind).get(name, ...)
    return f" = {value!r}" if isinstance(value, bool | int | float | str | tuple | None) else ""


def _member(name: str, value: Any) -> Iterator[str]:  # noqa: ANN401  (anything a class may hold)
    mark = "abstract " if getattr(value, "__isabstractmethod__", False) else ""
    if isinstance(value, property):
        yield f"{mark}property {name}{_result(value.fget)}"
    elif isinstance(value, cached_property):
        yield f"{mark}property {name}{_result(value.func)}"
    elif isinstance(value, classmethod | staticmethod):
        yield f"{mark}{type(value).__name__} {name}{_signature(value.__func__)}"
    elif inspect.isfunction(value) and value.__module__ != "typing":  # which makes the constructors of protocols
        yield f"{mark}def {name}{_signature(value)}"
    elif isinstance(value, bool | int | float | str | tuple):
        yield f"{name} = {value!r}"


def _signature(function: Any) -> str:  # noqa: ANN401  (functions and what wraps them)
    """Parameters and result; a function that is a default is called by its name, without its place in memory."""
    signature = inspect.signature(function)
    parameters = [one.replace(annotation=_Bare(one.annotation)) for one in signature.parameters.values()]
    bare = signature.replace(parameters=parameters, return_annotation=_Bare(signature.return_annotation))
    return re.sub(r"<function (\w+) at \w+>", r"\1", str(bare).replace(f": {_Bare(inspect.Parameter.empty)!r}", ""))


def _result(function: Any) -> str:  # noqa: ANN401  (functions and what wraps them)
    return f" -> {_text(inspect.signature(function).return_annotation)}"


class _Bare:
    """An annotation that is shown without quotes."""

    def __init__(self, annotation: object) -> None:
        self.annotation = annotation

    def __repr__(self) -> str:
        return _text(self.annotation)


def _text(annotation: object) -> str:
    return str(getattr(annotation, "__forward_arg__", annotation))


def main() -> None:
    """Write the record."""
    RECORD.write_text(described(), encoding="utf-8")
    print(RECORD)


if __name__ == "__main__":
    main()
