"""Whose code an unexpected error came from."""

from __future__ import annotations

from importlib import metadata
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


def culprit(error: BaseException) -> str | None:
    """The plugin, with its distribution and version, in whose code an error was raised or passed on; None if in none.

    Of several, the one that was called last.
    """
    from ttf.registry import GROUP, Plugin, told

    points = metadata.entry_points(group=GROUP)
    for module in reversed([*_modules(error)]):
        for point in points:
            if f"{module}.".startswith(f"{point.module}."):
                return str(Plugin(point.name, told(point, "Name"), told(point, "Version"), "loaded"))
    return None


def _modules(error: BaseException) -> Iterator[str]:
    """The modules that an error passed through, the outermost first."""
    trace = error.__traceback__
    while trace is not None:
        yield str(trace.tb_frame.f_globals.get("__name__", ""))
        trace = trace.tb_next
