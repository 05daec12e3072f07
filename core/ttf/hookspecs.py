"""The plugin API: two hooks, and the version a plugin declares.

A plugin is a module named by an entry point of the group ``ttf``. It sets ``ttf_api = "1"`` and implements
one or both hooks with :data:`ttf.hookimpl`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pluggy import HookspecMarker

if TYPE_CHECKING:
    from collections.abc import Iterable

    from click import Group

    from ttf.component import Component

__all__ = ["ttf_commands", "ttf_components"]

hookspec = HookspecMarker("ttf")


@hookspec
def ttf_components() -> Iterable[type[Component]]:
    """Return the component classes that recipes may name."""
    raise NotImplementedError


@hookspec
def ttf_commands(cli: Group) -> None:
    """Add commands to the ``ttf`` command line."""
