"""Append metrics and evaluation episodes to JSON-lines files."""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, Any, final

from ttf.errors import DataError, ResourceError
from ttf.interfaces.reporter import Reporter

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
    line = json.dumps(record, allow_nan=False) + "\n"
    try:
        with file.open("ab", buffering=0) as stream:
            stream.write(line.encode())
    except OSError as error:
        message = f"{file}: cannot be written: {error.strerror or error}"
        raise ResourceError(message) from error


def _check_finite(file: Path, record: Mapping[str, Any]) -> None:
    for name, figure in record.items():
        if isinstance(figure, float) and not math.isfinite(figure):
            message = f"{file}: {name} is {figure}; expected a finite number"
            raise DataError(message)
