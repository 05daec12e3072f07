"""The launcher ``local``: cells are processes of this machine."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from ttf import hookimpl
from ttf.component import Component, LauncherConfig

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ttf.interfaces.launcher import Launcher

ttf_api = "1"


class LocalConfig(LauncherConfig):
    """Runs cells on this machine, as many at once as there are processors and memory for.

    One more is started when there is room for it beside all that the running ones may still need. Each is taken to need
    `memory`, or without that as much as the largest has used so far; the first then runs alone until that is known:
    until it has ended, or not grown for ten seconds.
    """

    kind: Literal["local"] = "local"
    """This machine."""

    slots: Annotated[int, Field(ge=1, le=1024)] | None = None
    """Cells that run at once; null for as many as there are GPUs, or processors for their `threads`."""

    def build(self) -> Launcher:
        """Make the launcher."""
        from ttf_plugins.local.local import LocalLauncher

        return LocalLauncher(self)


@hookimpl
def ttf_components() -> Iterable[type[Component]]:
    """What this plugin provides."""
    return [LocalConfig]
