from __future__ import annotations

import itertools
import sys
from types import SimpleNamespace
from typing import TYPE_CHECKING

import pytest
from tests.plugins.tracked import CLOCKS, CRASHES, crash_and_resume, run_tiny

from ttf.errors import PluginError
from ttf.run_dir import RunDir, read_lines
from ttf.testing import check_reporter
from ttf_plugins.tensorboard import TensorboardConfig

if TYPE_CHECKING:
    from pathlib import Path

Curves = dict[tuple[str, str], list[tuple[int, float]]]
"""The points (step, value) of every folder and tag."""


@pytest.fixture(scope="module")
def _installed() -> None:
    pytest.importorskip("tensorboard", reason="the extra tensorboard is not installed")


@pytest.fixture(scope="module")
def whole(_installed: None, tmp_path_factory: pytest.TempPathFactory) -> RunDir:
    return run_tiny(tmp_path_factory.mktemp("runs"), TensorboardConfig())


def shown(run: RunDir) -> Curves:
    """What TensorBoard reads from a run."""
    from tensorboard.backend.event_processing.plugin_event_accumulator import TENSORS, EventAccumulator
    from tensorboard.util.tensor_util import make_ndarray

    curves: Curves = {}
    for folder in run.tensorboard("model").parent.iterdir():
        events = EventAccumulator(str(folder), size_guidance={TENSORS: 0}).Reload()
        for tag in events.Tags()["tensors"]:
            points = [(event.step, make_ndarray(event.tensor_proto).item()) for event in events.Tensors(tag)]
            curves[folder.name, tag] = points
    return curves


def expected(run: RunDir) -> Curves:
    """The same from the run's other files."""
    curves: Curves = {}
    for record in read_lines(run.metrics):
        folder = record.get("learner", "model").replace(" ", "-")
        for name in record.keys() - {"kind", "learner", "step"}:
            curves.setdefault((folder, f"{record['kind']}/{name}"), []).append((record["step"], record[name]))
    for row in run.read("result")["policies"]:
        for name in ("return", "steps", "success"):
            for part, value in row[name].items():
                curves[f"policy-{row['policy']}", f"result/{name}/{part}"] = [(0, value)]
    return curves


def without_clocks(curves: Curves) -> Curves:
    return {(folder, tag): points for (folder, tag), points in curves.items() if not tag.endswith(CLOCKS)}


@pytest.mark.usefixtures("_installed")
def test_the_contract_of_reporters_is_kept() -> None:
    check_reporter(TensorboardConfig())


def test_tensorboard_shows_every_figure_of_a_run_as_it_is(whole: RunDir) -> None:
    curves = shown(whole)
    assert curves == expected(whole)
    assert {folder for folder, _ in curves} == {
        "model",
        "baseline-bc",
        "policy-beam_search",
        "policy-homing",
        "policy-bc",
    }
    assert [step for step, _ in curves["model", "train/loss"]] == [5, 10, 12]
    assert [step for step, _ in curves["model", "validation/loss"]] == [6, 12]


@pytest.mark.parametrize("at", CRASHES)
def test_a_run_that_was_cut_off_has_no_point_twice(
    at: tuple[str, int], whole: RunDir, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    later = SimpleNamespace(time=itertools.count(1e9, 10).__next__)  # files of the same second have no order
    monkeypatch.setattr("tensorboard.summary.writer.event_file_writer.time", later)
    cut = crash_and_resume(tmp_path, at, TensorboardConfig())
    assert shown(cut) == expected(cut)
    assert without_clocks(shown(cut)) == without_clocks(shown(whole))


@pytest.mark.usefixtures("_installed")
def test_a_figure_is_on_file_before_the_next_one_comes(tmp_path: Path) -> None:
    run = RunDir(tmp_path)
    TensorboardConfig().build(run).metrics({"kind": "train", "step": 3, "loss": 0.1})
    assert shown(run) == {("model", "train/loss"): [(3, 0.1)]}


def test_without_the_package_a_run_says_so_before_anything_is_trained(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "tensorboard", None)
    with pytest.raises(PluginError) as caught:
        run_tiny(tmp_path, TensorboardConfig())
    assert str(caught.value) == (
        "tensorboard is not installed; install it with: pip install 'trajectory-transformer[tensorboard]'"
    )
    (run,) = (tmp_path / "tiny").iterdir()
    assert sorted(path.name for path in run.iterdir()) == [".lock", "recipe.yaml", "run.json"]


@pytest.mark.usefixtures("_installed")
def test_building_touches_no_file(tmp_path: Path) -> None:
    TensorboardConfig().build(RunDir(tmp_path))
    assert list(tmp_path.iterdir()) == []
