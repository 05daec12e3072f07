"""What is damaged in a run folder is named in one line."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from tests.core.toys import tiny_recipe

from ttf.errors import DataError
from ttf.run_dir import RunDir, read_lines
from ttf.runs import newest_unfinished

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"{", "not JSON: Expecting property name enclosed in double quotes: line 1 column 2 (char 1)"),
        (b"[1]", "not a JSON mapping"),
        (b"", "not JSON: Expecting value: line 1 column 1 (char 0)"),
    ],
)
def test_a_damaged_record_is_named_when_a_run_is_resumed(content: bytes, problem: str, tmp_path: Path) -> None:
    folder = tmp_path / "tiny" / "20260102-030405"
    folder.mkdir(parents=True)
    (folder / "run.json").write_bytes(content)
    with pytest.raises(DataError) as error:
        newest_unfinished(tmp_path, tiny_recipe())
    assert str(error.value) == f"{folder}/run.json: {problem}"


def test_bytes_that_are_no_text_and_damaged_lines_are_named_too(tmp_path: Path) -> None:
    (tmp_path / "result.json").write_bytes(b"\xff\xfe{")
    with pytest.raises(DataError, match=r"result\.json: not JSON: "):
        RunDir(tmp_path).read("result")
    (tmp_path / "metrics.jsonl").write_text('{"step": 1}\n{"st\n')
    with pytest.raises(DataError, match=r"metrics\.jsonl: not JSON: "):
        list(read_lines(tmp_path / "metrics.jsonl"))
