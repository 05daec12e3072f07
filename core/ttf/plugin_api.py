"""The version of the contracts that a plugin was written for, and whether it is this one."""

from __future__ import annotations

import ast
from importlib.abc import InspectLoader
from importlib.util import find_spec
from typing import TYPE_CHECKING

from ttf import API_VERSION

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

NAME = "ttf_api"


def written_api(point: EntryPoint) -> object:
    """What the source of a plugin declares, without running it; None if it does not say so in plain words.

    A plugin for other contracts may not even be importable: what it imports may be gone.
    """
    try:
        spec = find_spec(point.module)
        source = spec.loader.get_source(spec.name) if spec and isinstance(spec.loader, InspectLoader) else None
        statements = ast.parse(source or "").body
    except (ImportError, SyntaxError, ValueError, AttributeError):  # importing it will say what is wrong
        return None
    for statement in statements:
        targets = statement.targets if isinstance(statement, ast.Assign) else [getattr(statement, "target", None)]
        names = [target.id for target in targets if isinstance(target, ast.Name)]
        value = getattr(statement, "value", None)
        if NAME in names and isinstance(value, ast.Constant):
            return value.value
    return None


def mismatch(version: object) -> str | None:
    """Why a plugin that declares this version, or None, cannot be used; None if it can."""
    if version is None:
        return f'it does not declare {NAME}; this is {NAME} = "{API_VERSION}"'
    if version != API_VERSION:
        return f'written for {NAME} = {version!r}; this is {NAME} = "{API_VERSION}"'
    return None
