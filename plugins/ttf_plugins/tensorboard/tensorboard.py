"""Write training records and results as TensorBoard's scalars, in double precision."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, final

from torch.utils.tensorboard import SummaryWriter

from ttf.interfaces.reporter import Reporter

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ttf.run_dir import RunDir


@final
class TensorboardReporter(Reporter):
    """Writes event files for the model, every learner and every policy, each in a folder of its own.

    TensorBoard counts the steps of a folder together, and a model and a critic count their own.
    """

    def __init__(self, run: RunDir) -> None:
        self._run = run
        self._writers: dict[str, SummaryWriter] = {}

    def metrics(self, record: Mapping[str, Any]) -> None:
        """Write every figure as a scalar ``KIND/FIGURE``; they are on file when this returns."""
        figures = {name: value for name, value in record.items() if name not in ("kind", "learner", "step")}
        self._write(record.get("learner", "model"), record["kind"], figures, record["step"])

    def episode(self, record: Mapping[str, Any]) -> None:
        """Nothing to do before the end: results are over all episodes."""

    def finish(self) -> None:
        """Write every policy's results with their intervals, and close the files.

        Raises:
            DataError: the run's result is not JSON.
        """
        for row in (self._run.read("result") or {"policies": []})["policies"]:
            for name in ("return", "steps", "success"):
                figures = {part: value for part, value in (row[name] or {}).items() if value is not None}
                self._write(f"policy {row['policy']}", f"result/{name}", figures, 0)
        for writer in self._writers.values():
            writer.close()

    def _write(self, folder: str, group: str, figures: Mapping[str, float], step: int) -> None:
        """Write to a folder; what is there of the first step and later is from before an interruption, and hidden."""
        if folder not in self._writers:
            self._writers[folder] = SummaryWriter(str(self._run.tensorboard(folder)), purge_step=step)
        writer = self._writers[folder]
        for name, value in figures.items():
            writer.add_scalar(f"{group}/{name}", value, step, new_style=True, double_precision=True)
        writer.flush()
