"""Tables in a terminal of 80 columns: nothing is cut, and cells can be told apart."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Literal

import numpy as np
import pytest

from ttf.ablate.comparison import CellResult, Comparison, Cost
from ttf.aggregate import aggregates, paired_difference, probability_of_improvement
from ttf.cli.ablate import print_comparison
from ttf.cli.edge import run_cli
from ttf.cli.plugins import print_plugins
from ttf.registry import Plugin

if TYPE_CHECKING:
    from pathlib import Path

NAMES = [f"discretizer={kind}, decoder.beam_width={width}" for kind in ("uniform", "quantile") for width in (8, 32)]


@pytest.fixture(autouse=True)
def narrow(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "80")


def _comparison(metric: str, scale: float, seeds: int) -> Comparison:
    random, cells = np.random.default_rng(0), list[CellResult]()
    for name in NAMES:
        scores = random.integers(2, size=(seeds, 20)).astype(np.float64) * scale
        every, cost = aggregates(scores, 0, success=metric == "success"), Cost(7000, 4000, 11_600_000)
        difference = paired_difference(scores, cells[0].scores, 0) if cells else None
        improvement = probability_of_improvement(scores, cells[0].scores, 0) if cells else None
        cells.append(CellResult(name, "p", [*range(seeds)], scores, every, difference, improvement, cost))
    return Comparison("r", NAMES[0], metric, cells, {}, ["discretizer=kmeans, decoder.beam_width=8"])


def _printed(capsys: pytest.CaptureFixture[str]) -> str:
    lines = re.sub(r"\x1b\[[0-9;]*m", "", capsys.readouterr().out).splitlines()
    text = "".join(f"{line.rstrip()}\n" for line in lines)
    assert all(len(line) <= 80 for line in text.splitlines())
    assert "…" not in text
    return text


def test_success_is_read_at_a_glance(capsys: pytest.CaptureFixture[str]) -> None:
    print_comparison(_comparison("success", 1.0, 5))
    text = _printed(capsys)
    for label in ("uniform, 8 (as", "uniform, 32", "quantile, 8", "quantile, 32", "kmeans, 8"):
        assert len(re.findall(rf"^{re.escape(label)} ", text, re.MULTILINE)) == 2, "in both tables"
    assert "discretizer, decoder.beam_width" in " ".join(text.split())
    assert re.search(r"uniform, 32 +5 +\d+ \[\d+, \d+\] +\d+ \[\d+, \d+\] +\d+ \[\d+, \d+\]\n", text)
    row = r"quantile, 8 +[+-]\d+ \[[+-]\d+, [+-]\d+\] +0\.\d\d \[0\.\d\d, 0\.\d\d\] +117 min +67 min +11\.6 M\n"
    assert re.search(row, text)
    assert re.search(r"kmeans, 8 +0 +- +- +-\n", text)
    assert text.endswith("No cell is surely the best: no interval lies above all others.\n")


def test_long_figures_stand_above_their_intervals(capsys: pytest.CaptureFixture[str]) -> None:
    print_comparison(_comparison("return", -12345.6789, 5))
    text = _printed(capsys)
    assert re.search(r"^quantile, 32 +5 +-\d+ +-\d+ +-\d+ *\n +\[-\d+, -?\d+\] +\[-\d+, -?\d+\]", text, re.MULTILINE)
    assert re.search(r"117 min +67 min +11\.6 M", text)


def test_two_seeds_have_no_intervals_and_it_is_said_why(capsys: pytest.CaptureFixture[str]) -> None:
    print_comparison(_comparison("success", 1.0, 2))
    text = _printed(capsys)
    assert "[" not in text
    assert "fewer than 3 seeds have finished: seeds are the samples of training" in " ".join(text.split())


def test_the_names_of_stages_are_whole(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    stage = tmp_path / ".stages" / "model-0123456789abcdef"
    stage.mkdir(parents=True)
    run = f"/{'folder/' * 12}run"
    record = {"name": "model", "parts": {}, "finished": "2026-01-01T00:00:00Z", "seconds": 12, "run": run}
    (stage / "stage.json").write_text(json.dumps(record))
    assert run_cli(("stages", "list", "--runs-dir", str(tmp_path))) == 0
    text = _printed(capsys)
    assert "model-0123456789abcdef  2026-01-01T00:00:00Z  12 " in text
    assert "".join(re.findall(r"[a-z/]+$", text, re.MULTILINE)).endswith(run)


@pytest.mark.parametrize("reason", ["", "ModuleNotFoundError: No module named 'something_with_a_long_name'"])
def test_the_names_of_plugins_are_whole(reason: str, capsys: pytest.CaptureFixture[str]) -> None:
    name = "a_plugin_with_quite_a_name"
    state: Literal["failed", "loaded"] = "failed" if reason else "loaded"
    print_plugins([Plugin(name, "a-distribution-of-some-length", "0.1.0", state, reason, api="1")])
    text = _printed(capsys)
    assert re.search(rf"^{name} ", text, re.MULTILINE)
    assert f" {state} " in text
    assert reason in " ".join(text.split())
