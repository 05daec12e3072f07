"""The rules that a plugin's component class keeps."""

from __future__ import annotations

import inspect
import re
from typing import Literal, get_args, get_origin

from ttf.component import SLOTS, Component
from ttf.errors import PluginError, did_you_mean


def checked(component: object) -> type[Component]:
    """The component class, if it keeps the rules.

    Raises:
        PluginError: it breaks one; the message says which.
    """
    if not (isinstance(component, type) and issubclass(component, Component)):
        message = f"{component!r} is not a subclass of ttf.component.Component"
        raise PluginError(message)
    if broken := _broken_rule(component):
        message = f"{component.__name__}: {broken}"
        raise PluginError(message)
    return component


def _broken_rule(component: type[Component]) -> str | None:
    slot = getattr(component, "slot", None)
    if slot not in SLOTS:
        return f"slot {slot!r} is unknown{did_you_mean(str(slot), SLOTS)}"
    if not issubclass(component, SLOTS[slot][0]):
        return f"a component of slot {slot!r} is a subclass of {SLOTS[slot][0].__name__}"
    if inspect.isabstract(component):
        return f"abstract; it lacks {', '.join(sorted(component.__abstractmethods__))}"
    return _broken_kind(component) or _broken_requires(component) or _broken_field(component)


def _broken_kind(component: type[Component]) -> str | None:
    annotation = component.model_fields["kind"].annotation
    names = get_args(annotation)
    if get_origin(annotation) is not Literal or len(names) != 1 or component.model_fields["kind"].default != names[0]:
        return 'kind must be one literal with itself as default, as in kind: Literal["x"] = "x"'
    if not re.fullmatch(r"[A-Za-z][A-Za-z0-9_-]*", str(names[0])):
        return f"kind {names[0]!r} must be a word of letters, digits, '_' and '-'"
    return None


def _broken_requires(component: type[Component]) -> str | None:
    sections = {*SLOTS, "training", "evaluation"}
    for section in component.requires:
        if section not in sections:
            return f"requires an unknown section {section!r}{did_you_mean(section, sections)}"
    return None


def _broken_field(component: type[Component]) -> str | None:
    for name, field in component.model_fields.items():
        if field.is_required():
            return f"field {name!r} has no default"
        if name != "kind" and not field.description:
            return f"field {name!r} has no sentence below it"
    try:
        component.model_validate({})
    except ValueError as error:
        return f"its defaults are not valid: {' '.join(str(error).split())}"
    return None


def kind_of(component: type[Component]) -> str:
    """The kind that a recipe names the component by."""
    return str(component.model_fields["kind"].default)
