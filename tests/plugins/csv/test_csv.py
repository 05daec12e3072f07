from __future__ import annotations

import csv
import json
from typing import TYPE_CHECKING, Any

import pytest
from tests.plugins.tracked import CLOCKS, CRASHES, crash_and_resume, run_tiny

from ttf.errors import DataError, ResourceError
from ttf.run_dir import RunDir, read_lines
from ttf.testing import check_reporter
from ttf_plugins.csv import CsvConfig

if TYPE_CHECKING:
    from pathlib import Path

TEXTS = ("kind", "learner", "policy")


def rows(file: Path) -> list[dict[str, Any]]:
    """The records of a table, without their empty cells."""
    with file.open(newline="") as stream:
        lines = list(csv.DictReader(stream, strict=True))
    return [{k: text if k in TEXTS else json.loads(text) for k, text in line.items() if text} for line in lines]


def without_clocks(file: Path) -> list[dict[str, Any]]:
    return [{key: x for key, x in row.items() if key not in CLOCKS} for row in rows(file)]


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> RunDir:
    return run_tiny(tmp_path_factory.mktemp("runs"), CsvConfig())


def test_the_contract_of_reporters_is_kept() -> None:
    check_reporter(CsvConfig())


def test_the_tables_of_a_run_hold_what_its_json_lines_hold(whole: RunDir) -> None:
    records = list(read_lines(whole.metrics))
    assert rows(whole.metrics_table) == records
    assert {record["kind"] for record in records} == {"learner", "train", "validation"}
    episodes = list(read_lines(whole.episodes))
    assert rows(whole.episodes_table) == episodes
    assert len(episodes) == 15


@pytest.mark.parametrize("at", CRASHES)
def test_a_run_that_was_cut_off_goes_on_to_the_same_tables(at: tuple[str, int], whole: RunDir, tmp_path: Path) -> None:
    cut = crash_and_resume(tmp_path, at, CsvConfig())
    assert rows(cut.metrics_table) == list(read_lines(cut.metrics))
    assert without_clocks(cut.metrics_table) == without_clocks(whole.metrics_table)
    headers = [run.metrics_table.read_text().splitlines()[0] for run in (cut, whole)]
    assert headers[0] == headers[1]
    assert cut.episodes_table.read_bytes() == whole.episodes_table.read_bytes()


def test_new_figures_get_columns_at_the_right(tmp_path: Path) -> None:
    run = RunDir(tmp_path)
    reporter = CsvConfig().build(run)
    reporter.metrics({"kind": "train", "step": 1, "loss": 2.5})
    reporter.metrics({"kind": "validation", "step": 1, "loss": 1e-07, "loss_reward": 3})
    reporter.metrics({"kind": "train", "step": 2, "loss": -0.1})
    assert run.metrics_table.read_text() == (
        "kind,step,loss,loss_reward\ntrain,1,2.5,\nvalidation,1,1e-07,3\ntrain,2,-0.1,\n"
    )


def test_truth_and_its_absence_are_what_json_calls_them(tmp_path: Path) -> None:
    run = RunDir(tmp_path)
    reporter = CsvConfig().build(run)
    for success in (True, False, None):
        reporter.episode({"policy": "a, b", "success": success})
    assert run.episodes_table.read_text() == 'policy,success\n"a, b",true\n"a, b",false\n"a, b",\n'


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r\n=1"])
def test_a_text_that_a_spreadsheet_would_calculate_is_quoted_and_a_number_is_not(text: str, tmp_path: Path) -> None:
    run = RunDir(tmp_path)
    CsvConfig().build(run).episode({"policy": text, text: -1.5})
    with run.episodes_table.open(newline="") as stream:
        assert list(csv.reader(stream)) == [["policy", f"'{text.strip()}"], [f"'{text.strip()}", "-1.5"]]


def test_a_row_that_was_cut_off_is_dropped(tmp_path: Path) -> None:
    run = RunDir(tmp_path)
    CsvConfig().build(run).metrics({"kind": "train", "step": 1, "loss": 0.5})
    with run.metrics_table.open("a") as file:
        file.write("train,2,0.")
    CsvConfig().build(run).metrics({"kind": "train", "step": 3, "loss": 0.25})
    assert run.metrics_table.read_text() == "kind,step,loss\ntrain,1,0.5\ntrain,3,0.25\n"


@pytest.mark.parametrize("text", ["", "kind;step\ntrain;1\n", "kind,step\ntrain\n", "kind,step\ntrain,x\n", 'a\n"b\n'])
def test_a_table_that_something_else_has_written_is_one_clear_line(text: str, tmp_path: Path) -> None:
    run = RunDir(tmp_path)
    run.metrics_table.write_text(text)
    with pytest.raises(DataError) as caught:
        CsvConfig().build(run).metrics({"kind": "train", "step": 2})
    assert str(caught.value) == f"{run.metrics_table}: not as ttf left it; move it away to go on"
    assert run.metrics_table.read_text() == text


def test_a_folder_that_is_gone_is_one_clear_line(tmp_path: Path) -> None:
    run = RunDir(tmp_path / "gone")
    with pytest.raises(ResourceError) as caught:
        CsvConfig().build(run).metrics({"step": 1})
    assert str(caught.value) == f"{run.metrics_table}: cannot be written: No such file or directory"


def test_building_touches_no_file(tmp_path: Path) -> None:
    CsvConfig().build(RunDir(tmp_path))
    assert list(tmp_path.iterdir()) == []
