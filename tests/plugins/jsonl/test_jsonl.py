from __future__ import annotations

import math
from typing import TYPE_CHECKING

import pytest

from ttf.errors import DataError, ResourceError
from ttf.run_dir import RunDir, read_lines, write_lines
from ttf.testing import check_reporter
from ttf_plugins.jsonl import JsonLinesConfig

if TYPE_CHECKING:
    from pathlib import Path


def test_the_contract_of_reporters_is_kept() -> None:
    check_reporter(JsonLinesConfig())


def test_metrics_and_episodes_are_appended_a_line_each(tmp_path: Path) -> None:
    run = RunDir(tmp_path)
    reporter = JsonLinesConfig().build(run)
    reporter.metrics({"kind": "train", "step": 1, "loss": 2.5})
    reporter.episode({"policy": "random", "seed": 7, "success": None})
    reporter.metrics({"kind": "train", "step": 2, "loss": 0.1})
    reporter.finish()
    assert run.metrics.read_text() == (
        '{"kind": "train", "step": 1, "loss": 2.5}\n{"kind": "train", "step": 2, "loss": 0.1}\n'
    )
    assert run.episodes.read_text() == '{"policy": "random", "seed": 7, "success": null}\n'


def test_a_resumed_run_goes_on_below_its_earlier_lines(tmp_path: Path) -> None:
    run = RunDir(tmp_path)
    write_lines(run.metrics, [{"step": 1}])
    JsonLinesConfig().build(run).metrics({"step": 2})
    assert list(read_lines(run.metrics)) == [{"step": 1}, {"step": 2}]


def test_a_file_replaced_while_the_reporter_is_open_is_the_one_written_to(tmp_path: Path) -> None:
    run = RunDir(tmp_path)
    reporter = JsonLinesConfig().build(run)
    reporter.episode({"episode": 0})
    write_lines(run.episodes, [])
    reporter.episode({"episode": 1})
    assert list(read_lines(run.episodes)) == [{"episode": 1}]


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_a_figure_that_is_not_finite_is_refused_by_name_and_nothing_is_written(tmp_path: Path, value: float) -> None:
    run = RunDir(tmp_path)
    reporter = JsonLinesConfig().build(run)
    with pytest.raises(DataError) as caught:
        reporter.episode({"policy": "random", "return": value})
    assert str(caught.value) == f"{run.episodes}: return is {value}; expected a finite number"
    assert not run.episodes.exists()


def test_a_folder_that_is_gone_is_one_clear_line(tmp_path: Path) -> None:
    run = RunDir(tmp_path / "gone")
    with pytest.raises(ResourceError) as caught:
        JsonLinesConfig().build(run).metrics({"step": 1})
    assert str(caught.value) == f"{run.metrics}: cannot be written: No such file or directory"


def test_building_touches_no_file(tmp_path: Path) -> None:
    JsonLinesConfig().build(RunDir(tmp_path))
    assert list(tmp_path.iterdir()) == []
