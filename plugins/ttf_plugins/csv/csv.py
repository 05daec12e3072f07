"""Write metrics and evaluation episodes as rows of CSV tables."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, final

from ttf.interfaces.reporter import Reporter
from ttf_plugins.csv.table import Table, cell

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ttf.run_dir import RunDir


@final
class CsvReporter(Reporter):
    """Adds a row per record; rows that an interrupted run wrote too much are replaced when they come again."""

    def __init__(self, run: RunDir) -> None:
        self._metrics, self._episodes = Table(run.metrics_table), Table(run.episodes_table)
        self._begun: set[str] = set()
        self._evaluating = False

    def metrics(self, record: Mapping[str, Any]) -> None:
        """Add a row to the run's metrics.

        The first record of the model, or of a learner, replaces its rows of that step and later: they are from before
        an interruption.

        Raises:
            DataError: the file is not as ttf left it.
            ResourceError: the file cannot be written.
        """
        learner, step = cell(record.get("learner")), record["step"]
        if learner not in self._begun:
            self._begun.add(learner)
            self._metrics.keep(lambda row: row.get("learner", "") != learner or int(row["step"]) < step)
        self._metrics.add(record)

    def episode(self, record: Mapping[str, Any]) -> None:
        """Add a row to the run's episodes, which start afresh with the evaluation; raises what :meth:`metrics` does."""
        if not self._evaluating:
            self._evaluating = True
            self._episodes.keep(lambda _: False)
        self._episodes.add(record)

    def finish(self) -> None:
        """Nothing is left to do: every row is on file already."""
