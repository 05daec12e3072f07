"""The launcher ``ray``: cells are tasks of a Ray cluster."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from ttf import hookimpl
from ttf.component import Component, LauncherConfig
from ttf.extras import require_extra

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ttf.interfaces.launcher import Launcher

ttf_api = "1"


class RayConfig(LauncherConfig):
    """Sends cells to a Ray cluster; the folder of the runs, the data and this Python must be there on every node."""

    kind: Literal["ray"] = "ray"
    """A Ray cluster."""

    address: Annotated[str, Field(max_length=200)] | None = None
    """Of a running cluster, such as `auto` or `10.0.0.1:6379`; null starts one on this machine."""

    gpus: Annotated[float, Field(ge=0, le=64)] = 0.0
    """GPUs of a cell; 0.5 lets two share one."""

    def build(self) -> Launcher:
        """Make the launcher.

        Raises:
            PluginError: Ray is not installed.
        """
        os.environ.setdefault("RAY_DEDUP_LOGS_SKIP_REGEX", ".")  # of what raylets print here, nothing; read at import
        require_extra("ray")
        from ttf_plugins.ray.ray import RayLauncher

        return RayLauncher(self)


@hookimpl
def ttf_components() -> Iterable[type[Component]]:
    """What this plugin provides."""
    return [RayConfig]
