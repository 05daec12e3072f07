"""Append a line of text for every record."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, final

from ttf.interfaces.reporter import Reporter
from ttf.run_dir import append_text

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ttf.run_dir import RunDir


@final
class MyReporters(Reporter):
    """Writes to ``my_reporters.txt`` in the run folder; a run that is resumed goes on below."""

    def __init__(self, run: RunDir, digits: int) -> None:
        self._file = run.path / "my_reporters.txt"
        self._digits = digits

    def metrics(self, record: Mapping[str, Any]) -> None:
        """Append a training or validation record.

        Raises:
            ResourceError: the file cannot be written.
        """
        self._append(record)

    def episode(self, record: Mapping[str, Any]) -> None:
        """Append an evaluation episode; raises what :meth:`metrics` does."""
        self._append(record)

    def finish(self) -> None:
        """Say that the run has ended."""
        append_text(self._file, "finished\n")

    def _append(self, record: Mapping[str, Any]) -> None:
        append_text(self._file, ", ".join(f"{name} {self._shown(value)}" for name, value in record.items()) + "\n")

    def _shown(self, value: object) -> str:
        return f"{value:.{self._digits}g}" if isinstance(value, float) else str(value)
