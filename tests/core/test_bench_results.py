"""Results of ttf bench are kept whatever happens, shown, and compared with earlier ones."""

from __future__ import annotations

import json
import math
import os
import re
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from ttf.bench import results as bench_results
from ttf.bench import start
from ttf.bench.measure import Measurement
from ttf.bench.results import Results
from ttf.cli import output
from ttf.cli.edge import run_cli
from ttf.errors import RecipeError, TtfError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

MEASURED = [
    Measurement("plan/hopper", 2.0, "s", "lower", {"times_reference": 30.0, "of_floor": 0.5, "differing": 0}),
    Measurement("train/small", 4000.0, "tokens/s", "higher"),
    Measurement("new", 1.0, "s", "lower"),
]


def test_results_are_read_as_they_were_written(tmp_path: Path) -> None:
    results = Results.here(MEASURED, threads=2, rate=7e10)
    results.write(tmp_path / "results.json")
    again = Results.read(tmp_path / "results.json")
    assert again == results
    assert again.title().startswith("2 threads of ")
    assert "(70 GFLOP/s)" in again.title()


def test_the_table_says_how_many_times_as_fast_each_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(start, "measure", lambda: iter(MEASURED))
    earlier = [replace(MEASURED[0], value=3.0), replace(MEASURED[1], value=2000.0)]
    Results.here(earlier, threads=1, rate=1e9).write(tmp_path / "before.json")
    assert run_cli(["bench", "start", "--against", str(tmp_path / "before.json")]) == 0
    cells = [re.split(" {2,}", line.strip()) for line in capsys.readouterr().out.splitlines()]
    said = "30 times the reference, 50% of the arithmetic's rate, 0 tokens differ"
    assert ["plan/hopper", "2 s", "3 s", "1.50", said] in cells
    assert ["train/small", "4,000 tokens/s", "2,000 tokens/s", "2.00"] in cells
    assert ["new", "1 s"] in cells


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{}",
        "\0",
        "[" * 100_000,
        '{"measurements": []}',
        '{"measurements": [{"name": "x"}]}',
        '{"measurements": [1]}',
    ],
    ids=lambda text: text[:20],
)
def test_a_file_that_holds_no_results_is_refused(text: str, tmp_path: Path) -> None:
    (tmp_path / "results.json").write_text(text)
    with pytest.raises(RecipeError, match=r"results\.json: not the results of a benchmark"):
        Results.read(tmp_path / "results.json")


@pytest.mark.parametrize(
    ("name", "changed"),
    [("value", 0), ("value", "fast"), ("value", math.nan), ("surprise", 1), ("better", "more"), ("unit", None)],
)
def test_a_measurement_that_cannot_be_compared_is_refused(name: str, changed: object, tmp_path: Path) -> None:
    Results.here(MEASURED, threads=1, rate=1e9).write(tmp_path / "results.json")
    document = json.loads((tmp_path / "results.json").read_text())
    document["measurements"][1][name] = changed
    (tmp_path / "results.json").write_text(json.dumps(document))
    with pytest.raises(RecipeError, match=r"results\.json: not the results of a benchmark"):
        Results.read(tmp_path / "results.json")


@pytest.mark.parametrize("name", ["machine", "versions", "threads", "gemm_gflops"])
def test_results_that_do_not_say_of_what_machine_they_are_are_refused(name: str, tmp_path: Path) -> None:
    Results.here(MEASURED, threads=1, rate=1e9).write(tmp_path / "results.json")
    document = json.loads((tmp_path / "results.json").read_text())
    del document[name]
    (tmp_path / "results.json").write_text(json.dumps(document))
    with pytest.raises(RecipeError, match=r"results\.json: not the results of a benchmark"):
        Results.read(tmp_path / "results.json")


def test_earlier_results_that_are_none_are_told_in_a_line_before_anything_is_measured(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(start, "measure", lambda: pytest.fail("something is measured"))
    (file := tmp_path / "before.json").write_text('{"measurements": []}')
    assert run_cli(["bench", "start", "--against", str(file)]) == 2
    expected = f"Error: {file}: not the results of a benchmark: expected a file written by ttf bench --json\n"
    assert capsys.readouterr() == ("", expected)


def test_the_command_measures_the_parts_it_is_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(start, "COMMANDS", {"help": ("--help",)})
    monkeypatch.setattr(start, "RUNS", 1)
    file = tmp_path / "results.json"
    assert run_cli(["bench", "start", "--json", str(file)]) == 0
    assert [entry["name"] for entry in json.loads(file.read_text())["measurements"]] == ["start/help"]
    assert run_cli(["bench", "start", "--against", str(file)]) == 0
    assert "times as fast" in capsys.readouterr().out
    (tmp_path / "none.json").write_text("{}")
    assert run_cli(["bench", "start", "--against", str(tmp_path / "none.json")]) == 2


def test_a_folder_that_is_not_there_is_noticed_before_anything_is_measured(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(start, "measure", lambda: pytest.fail("something is measured"))
    file = tmp_path / "gone" / "results.json"
    assert run_cli(["bench", "start", "--json", str(file)]) == 6
    assert capsys.readouterr().err == f"Error: --json {file}: no such folder: {file.parent}\n"


def test_a_folder_that_cannot_be_written_to_is_noticed_before_anything_is_measured(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(start, "measure", lambda: pytest.fail("something is measured"))
    monkeypatch.setattr(os, "access", lambda *_: False)
    assert run_cli(["bench", "start", "--json", str(file := tmp_path / "results.json")]) == 6
    assert capsys.readouterr().err == f"Error: --json {file}: the folder cannot be written to\n"


@pytest.mark.parametrize(
    ("failure", "code", "said"),
    [(TtfError("it broke"), 1, "Error: it broke"), (KeyboardInterrupt(), 130, "Interrupted.")],
)
def test_what_was_measured_before_a_failure_is_shown_and_written(
    failure: BaseException,
    code: int,
    said: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def failing() -> Iterator[Measurement]:
        yield MEASURED[0]
        raise failure

    monkeypatch.setattr(start, "measure", failing)
    assert run_cli(["bench", "start", "--json", str(tmp_path / "results.json")]) == code
    assert Results.read(tmp_path / "results.json").measurements == MEASURED[:1]
    printed = capsys.readouterr()
    assert "plan/hopper" in printed.out
    assert printed.err.splitlines()[-1] == said
    assert "  plan/hopper: 2 s" in printed.err.splitlines()


def compared(
    earlier: list[Measurement], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> tuple[str, str]:
    """What is printed where earlier results are compared with those of now, and what of that is no result."""
    monkeypatch.setattr(start, "measure", lambda: iter(MEASURED))
    Results.here(earlier, threads=1, rate=1e9).write(tmp_path / "before.json")
    assert run_cli(["bench", "start", "--against", str(tmp_path / "before.json")]) == 0
    return capsys.readouterr()


def test_what_is_not_measured_as_it_was_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    earlier = [replace(MEASURED[0], unit="ms"), replace(MEASURED[1]), replace(MEASURED[2], name="gone")]
    printed, warned = compared(earlier, tmp_path, monkeypatch, capsys)
    assert "not compared, as there is nothing like it now: plan/hopper, gone\n" in printed
    assert " ms" not in printed
    assert "Warning" not in warned


def test_results_that_have_nothing_in_common_are_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    _, warned = compared([replace(MEASURED[2], name="gone")], tmp_path, monkeypatch, capsys)
    assert warned.endswith(f"Warning: {tmp_path / 'before.json'} has none of these measurements\n")


def test_on_a_narrow_terminal_details_stand_below_the_table(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(output, "fits", lambda *_: False)
    printed, _ = compared(MEASURED, tmp_path, monkeypatch, capsys)
    assert re.search(r"plan/hopper +2 s +2 s +1\.00 *\n", printed)
    assert "plan/hopper: 30 times the reference, 50% of the arithmetic's rate, 0 tokens differ\n" in printed


def test_a_gpu_is_part_of_the_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bench_results, "gpu", lambda: {"gpu": "NVIDIA H100", "cuda": "13.0"})
    assert ", NVIDIA H100 (CUDA 13.0), Python " in Results.here(MEASURED, threads=1, rate=1e9).title()
