"""Append metrics and evaluation episodes to JSON-lines files."""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, Any, final

from ttf.errors import DataError
from ttf.interfaces.reporter import Reporter
from ttf.run_dir import append_text

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from ttf.run_dir import RunDir


@final
class JsonLinesReporter(Reporter):
    """Appends one line per record; holds no file open, so that a file may be replaced between two records."""

    def __init__(self, run: RunDir) -> None:
        self._run = run

    def metrics(self, record: Mapping[str, Any]) -> None:
        """Append to the run's metrics.

        Raises:
            DataError: a figure is not finite.
            ResourceError: the file cannot be written.
        """
        append(self._run.metrics, record)

    def episode(self, record: Mapping[str, Any]) -> None:
        """Append to the run's episodes; raises what :meth:`metrics` does."""
        append(self._run.episodes, record)

    def finish(self) -> None:
        """Nothing is left to do: every line is on file already."""


def append(file: Path, record: Mapping[str, Any]) -> None:
    """Append one whole line, flushed.

    Raises:
        DataError: a figure is not finite.
        ResourceError: the file cannot be written.
    """
    _check_finite(file, record)
    append_text(file, json.dumps(record, allow_nan=False) + "\n")


def _check_finite(file: Path, record: Mapping[str, Any]) -> None:
    for name, figure in record.items():
        if isinstance(figure, float) and not math.isfinite(figure):
            message = f"{file}: {name} is {figure}; expected a finite number"
            raise DataError(message)
