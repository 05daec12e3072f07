"""A CSV table of records: rows are added below, columns at the right."""

from __future__ import annotations

import csv
import io
import json
from typing import TYPE_CHECKING, Any, final

from ttf.errors import DataError
from ttf.run_dir import append_text, write_text

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

Row = dict[str, str]

FORMULA = ("=", "+", "-", "@")
"""How a text begins that a spreadsheet would calculate."""


@final
class Table:
    """A CSV file with a header; :meth:`keep` comes before the first :meth:`add`.

    Args:
        file: need not exist.
    """

    def __init__(self, file: Path) -> None:
        self._file = file
        self._columns: list[str] = []

    def keep(self, wanted: Callable[[Row], bool]) -> None:
        """Keep the rows that are wanted, and none that was cut off.

        Raises:
            DataError: the file is not as ttf left it.
            ResourceError: the file cannot be written.
        """
        if not self._file.exists():
            return
        try:
            kept = [row for row in self._read() if wanted(row)]
        except (KeyError, ValueError, csv.Error) as error:
            message = f"{self._file}: not as ttf left it; move it away to go on"
            raise DataError(message) from error
        write_text(self._file, self._text(kept, header=True))

    def add(self, record: Mapping[str, Any]) -> None:
        """Add a row, and the columns that it needs.

        Raises:
            ResourceError: the file cannot be written.
        """
        row = {cell(name): cell(value) for name, value in record.items()}
        fresh = [name for name in row if name not in self._columns]
        if fresh:
            rows = self._read() if self._columns else []
            self._columns += fresh
            write_text(self._file, self._text([*rows, row], header=True))
            return
        append_text(self._file, self._text([row], header=False))

    def _read(self) -> list[Row]:
        """The whole rows on file, whose columns are remembered."""
        text = self._file.read_bytes().decode()
        header, *lines = csv.reader(io.StringIO(text[: text.rfind("\n") + 1], newline=""), strict=True)
        self._columns = header
        return [dict(zip(header, line, strict=True)) for line in lines]

    def _text(self, rows: Sequence[Row], *, header: bool) -> str:
        text = io.StringIO()
        writer = csv.DictWriter(text, self._columns, lineterminator="\n")
        if header:
            writer.writeheader()
        writer.writerows(rows)
        return text.getvalue()


def cell(value: object) -> str:
    """A value as in JSON, a text on one line, nothing for None; what would be a formula gets a quote before it."""
    if value is None:
        return ""
    if not isinstance(value, str):
        return json.dumps(value)
    text = " ".join(value.split())
    return f"'{text}" if text.startswith(FORMULA) else text
