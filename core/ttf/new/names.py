"""What a new plugin may be called."""

from __future__ import annotations

import keyword
import re
from importlib.util import find_spec
from typing import TYPE_CHECKING

from ttf.component import SLOTS
from ttf.errors import RecipeError, did_you_mean

if TYPE_CHECKING:
    from ttf.registry import Registry

LONGEST = 30
"""Characters of a name, so that no line of the package becomes too long."""

RESERVED = frozenset({"false", "none", "null", "tests", "true"})
"""Words that mean something else to Python, to YAML, or to ``TTF_PLUGINS``."""


def check_slot(slot: str) -> None:
    """Refuse a slot that recipes do not have.

    Raises:
        RecipeError: it is unknown.
    """
    if slot not in SLOTS:
        message = f"unknown slot {slot!r}{did_you_mean(slot, SLOTS)}"
        raise RecipeError(message)


def check_name(name: str, slot: str, words: set[str], registry: Registry) -> None:
    """Refuse a name that cannot be one of a package and a kind, or that is taken.

    Args:
        name: of the plugin, its package and its kind.
        slot: that the kind is for.
        words: of the code that is to be written.
        registry: what is installed.

    Raises:
        RecipeError: the name will not do; the message says why.
    """
    if reason := _malformed(name) or _taken(name, slot, registry) or _hiding(name, words):
        message = f"{name!r} {reason}"
        raise RecipeError(message)


def class_of(name: str) -> str:
    """The name as that of a class: ``my_plugin`` becomes ``MyPlugin``."""
    return "".join(word.capitalize() for word in name.split("_"))


def distribution_of(name: str) -> str:
    """The name as that of a distribution: ``my_plugin`` becomes ``my-plugin``."""
    return name.replace("_", "-")


def _malformed(name: str) -> str | None:
    if not re.fullmatch(r"[a-z][a-z0-9]*(_[a-z0-9]+)*", name):
        return "cannot name a package; write lower-case words, digits and '_' between them, such as 'my_plugin'"
    if keyword.iskeyword(name) or name in RESERVED:
        return "is a word with a meaning of its own; choose another name"
    if len(name) > LONGEST:
        return f"is {len(name)} characters long; a name has at most {LONGEST}"
    return None


def _taken(name: str, slot: str, registry: Registry) -> str | None:
    for plugin in registry.plugins:
        if name in (plugin.name, plugin.distribution.replace("-", "_").lower()):
            return f"is the name of {plugin}; choose another"
    for entry in registry.entries:
        if (entry.slot, entry.kind) == (slot, name):
            return f"is a kind of slot {slot!r} already, by {entry.plugin}; choose another name"
    if find_spec(name) is not None:
        return "is a package that is installed already; choose another name"
    return None


def _hiding(name: str, words: set[str]) -> str | None:
    made = class_of(name)
    for word in (made, f"{made}Config"):
        if word in words:
            return f"would name a class {word!r}, which the code has another use for; choose another name"
    return None
