"""Reporter `wandb`: learning curves and results for Weights & Biases."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from ttf import hookimpl
from ttf.component import ReporterConfig
from ttf.extras import require_extra

if TYPE_CHECKING:
    from ttf.interfaces.reporter import Reporter
    from ttf.run_dir import RunDir

ttf_api = "1"


class WandbConfig(ReporterConfig):
    """Sends learning curves and results to Weights & Biases, or keeps them in the run folder until they are uploaded.

    It asks for nothing, and nothing that goes wrong with it ends a run. The package is not installed with ttf:
    `pip install 'trajectory-transformer[wandb]'`.
    """

    kind: Literal["wandb"] = "wandb"
    """Learning curves and results for Weights & Biases."""

    project: Annotated[str, Field(min_length=1, max_length=128, pattern=r"^[^/\\#?%:]+$")] = "ttf"
    """The project that the run belongs to."""

    mode: Literal["offline", "online", "disabled"] = "offline"
    """`offline` uses no network: `wandb sync` uploads later. `online` needs `wandb login` first, else it is offline.
    `disabled` does nothing."""

    def build(self, run: RunDir) -> Reporter:
        """Start tracking the run, or go on with it.

        Raises:
            PluginError: wandb is not installed.
        """
        require_extra("wandb")
        from ttf_plugins.wandb.wandb import WandbReporter

        return WandbReporter(run, self.project, self.mode)


@hookimpl
def ttf_components() -> list[type[WandbConfig]]:
    """The components of this plugin."""
    return [WandbConfig]
