"""Reporter `csv`: metrics and evaluation episodes as tables for spreadsheets."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from ttf import hookimpl
from ttf.component import ReporterConfig

if TYPE_CHECKING:
    from ttf.interfaces.reporter import Reporter
    from ttf.run_dir import RunDir

ttf_api = "1"


class CsvConfig(ReporterConfig):
    """Writes metrics and evaluation episodes to the run folder as CSV tables, a row each.

    A column stays where it is; figures that come later get columns at the right. What a record does not have is empty.
    """

    kind: Literal["csv"] = "csv"
    """Metrics and evaluation episodes as CSV tables."""

    def build(self, run: RunDir) -> Reporter:
        """Open the reporter; rows that are there already are kept."""
        from ttf_plugins.csv.csv import CsvReporter

        return CsvReporter(run)


@hookimpl
def ttf_components() -> list[type[CsvConfig]]:
    """The components of this plugin."""
    return [CsvConfig]
