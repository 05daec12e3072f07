"""The launcher ``slurm``: cells are jobs of a Slurm cluster."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from ttf import hookimpl
from ttf.component import Component, LauncherConfig
from ttf.extras import require_extra

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ttf.interfaces.launcher import Launcher

ttf_api = "1"


class SlurmConfig(LauncherConfig):
    """Submits cells to Slurm; the folder of the runs, the data and this Python must be there on every node."""

    kind: Literal["slurm"] = "slurm"
    """A Slurm cluster, through submitit."""

    cluster: Literal["slurm", "local"] = "slurm"
    """`local` runs the jobs on this machine, to try out what would be submitted."""

    partition: Annotated[str, Field(max_length=200)] | None = None
    """Partition to submit to; null for the cluster's own choice."""

    account: Annotated[str, Field(max_length=200)] | None = None
    """Account that pays; null for the user's own."""

    gpus: Annotated[int, Field(ge=0, le=64)] = 0
    """GPUs of a cell."""

    at_once: Annotated[int, Field(ge=1, le=10_000)] = 64
    """Cells that run at once at most."""

    def build(self) -> Launcher:
        """Make the launcher.

        Raises:
            PluginError: submitit is not installed.
            ResourceError: there is no Slurm here.
        """
        require_extra("submitit", "slurm")
        from ttf_plugins.slurm.slurm import SlurmLauncher

        return SlurmLauncher(self)


@hookimpl
def ttf_components() -> Iterable[type[Component]]:
    """What this plugin provides."""
    return [SlurmConfig]
