"""Reporter `tensorboard`: learning curves and results for TensorBoard."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from ttf import hookimpl
from ttf.component import ReporterConfig
from ttf.extras import require_extra

if TYPE_CHECKING:
    from ttf.interfaces.reporter import Reporter
    from ttf.run_dir import RunDir

ttf_api = "1"


class TensorboardConfig(ReporterConfig):
    """Writes learning curves and results to the run folder as event files for TensorBoard.

    Look at them with `tensorboard --logdir runs`. The package is not installed with ttf:
    `pip install 'trajectory-transformer[tensorboard]'`.
    """

    kind: Literal["tensorboard"] = "tensorboard"
    """Learning curves and results for TensorBoard."""

    def build(self, run: RunDir) -> Reporter:
        """Open the reporter; what an interrupted run wrote too much is hidden when it comes again.

        Raises:
            PluginError: TensorBoard is not installed.
        """
        require_extra("tensorboard")
        from ttf_plugins.tensorboard.tensorboard import TensorboardReporter

        return TensorboardReporter(run)


@hookimpl
def ttf_components() -> list[type[TensorboardConfig]]:
    """The components of this plugin."""
    return [TensorboardConfig]
