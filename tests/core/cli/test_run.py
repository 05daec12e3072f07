"""ttf run hands the checked recipe to the pipeline and prints the result."""

from __future__ import annotations

import sys
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

import pytest

from ttf.cli.edge import run_cli
from ttf.run_dir import RunDir

if TYPE_CHECKING:
    from ttf.interfaces.progress import Progress
    from ttf.recipe import Recipe

FULL = str(Path(__file__).parents[2] / "corpus" / "good" / "full.yaml")

RESULT = {
    "recipe": "full",
    "policies": [
        {
            "policy": "beam_search",
            "episodes": 100,
            "return": {"estimate": 1.25, "low": 1.0, "high": 1.5},
            "steps": {"estimate": 120.0, "low": 110.04, "high": 130.06},
            "success": {"estimate": 0.97, "low": 0.915, "high": 0.99, "count": 97},
        },
        {
            "policy": "[random]",
            "episodes": 100,
            "return": {"estimate": 0.0, "low": None, "high": None},
            "steps": {"estimate": 300.0, "low": 300.0, "high": 300.0},
            "success": None,
        },
    ],
}


class Pipeline(ModuleType):
    """Stands in for ttf.assemble, which imports torch."""

    def __init__(self, result: object, *, report: bool) -> None:
        super().__init__("ttf.assemble")
        self.result = result
        self.report = report
        self.calls: list[tuple[Recipe, Path, bool]] = []

    def run_recipe(
        self, recipe: Recipe, *, runs_dir: Path, resume: bool, progress: Progress, reuse: bool, company: None
    ) -> RunDir:
        assert reuse
        assert company is None
        self.calls.append((recipe, runs_dir, resume))
        with progress.task("train", 1, unit="steps") as task:
            task.advance()
        run = RunDir(runs_dir / recipe.name)
        run.path.mkdir(parents=True)
        if self.result:
            run.write("result", self.result)
        if self.report:
            run.report.touch()
        return run


def use(monkeypatch: pytest.MonkeyPatch, result: object, *, report: bool) -> Pipeline:
    pipeline = Pipeline(result, report=report)
    monkeypatch.setitem(sys.modules, "ttf.assemble", pipeline)
    monkeypatch.setenv("TTF_PLUGINS", "trajectory-transformer")
    return pipeline


def test_what_a_swapped_kind_drops_is_said_on_stderr(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pipeline = use(monkeypatch, RESULT, report=True)
    assert run_cli(["run", FULL, "--set", "model.kind=markov", "--runs-dir", str(tmp_path)]) == 0
    ((recipe, _, _),) = pipeline.calls
    assert recipe.model is not None
    assert recipe.model.kind == "markov"
    note = "--set model.kind=markov: dropped heads; 'markov' has no such fields\n"
    assert capsys.readouterr().err.startswith(note)


def test_run_prints_a_table_and_the_report(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    use(monkeypatch, RESULT, report=True)
    assert run_cli(["run", FULL, "--runs-dir", str(tmp_path)]) == 0
    out, err = capfd.readouterr()
    lines = [" ".join(line.split()) for line in out.splitlines() if line.strip(" ─")]
    assert lines == [
        "policy episodes success return steps",
        "beam_search 100 97.0% [91.5%, 99.0%] 1.2 [1.0, 1.5] 120.0 [110.0, 130.1]",
        "[random] 100 - 0.0 300.0 [300.0, 300.0]",
        f"report: {tmp_path / 'full' / 'report.html'}",
    ]
    assert err.startswith("train: 1/1 steps")


def test_run_without_result_or_report_names_the_folder(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    use(monkeypatch, None, report=False)
    assert run_cli(["run", FULL, "--runs-dir", str(tmp_path)]) == 0
    assert capfd.readouterr().out == f"run: {tmp_path / 'full'}\n"


def test_options_become_overrides_and_the_short_ones_win(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    pipeline = use(monkeypatch, None, report=False)
    options = ["--set", "decoder.horizon=4", "--set", "seed=1", "--seed", "2", "--device", "cuda:1", "--resume"]
    assert run_cli(["run", FULL, *options, "--runs-dir", str(tmp_path)]) == 0
    ((recipe, runs_dir, resume),) = pipeline.calls
    assert recipe.decoder is not None
    assert (recipe.decoder.model_dump()["horizon"], recipe.seed, recipe.device) == (4, 2, "cuda:1")
    assert (runs_dir, resume) == (tmp_path, True)


def test_a_shipped_recipe_runs_by_name_from_any_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    pipeline = use(monkeypatch, None, report=False)
    monkeypatch.chdir(tmp_path)
    assert run_cli(["run", "pointmaze_beam_search"]) == 0
    ((recipe, runs_dir, resume),) = pipeline.calls
    assert (recipe.name, runs_dir, resume) == ("pointmaze_beam_search", Path("runs"), False)


def test_bad_overrides_are_all_reported_before_anything_runs(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    pipeline = use(monkeypatch, None, report=False)
    assert run_cli(["run", FULL, "--seed", "-1", "--set", "name=3", "--device", "gpu"]) == 2
    assert pipeline.calls == []
    assert capfd.readouterr().err == (
        "Error: 3 problems\n"
        "--set name=3: name: must be text, found 3\n"
        "--seed -1: seed: must be at least 0, found -1\n"
        "--device gpu: device: must be of the form ^(auto|cpu|mps|cuda(:[0-9]{1,3})?)$, found 'gpu'\n"
    )
