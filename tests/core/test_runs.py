"""Run folders: a new one each time, the newest unfinished one to resume, one process at a time."""

from __future__ import annotations

import socket
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any

import pytest
from tests.core.toys import CorridorData, CorridorEnvironmentConfig, tiny_recipe

from ttf.errors import RecipeError, ResourceError
from ttf.run_dir import RunDir
from ttf.runs import create_run, locked, newest_unfinished, training_hash
from ttf.sections import EvaluationConfig, TrainingConfig
from ttf_plugins.beam_search import BeamSearchConfig
from ttf_plugins.gpt import GPTConfig
from ttf_plugins.quantile import QuantileConfig

if TYPE_CHECKING:
    from pathlib import Path

RECIPE = tiny_recipe()


def started(runs: Path, name: str, **entries: Any) -> RunDir:  # noqa: ANN401
    """A run folder as a run leaves it that was cut off, but for the entries."""
    run = RunDir(runs / "tiny" / name)
    run.path.mkdir(parents=True)
    run.write("run", {"training_hash": training_hash(RECIPE), "finished": None} | entries)
    return run


def test_runs_of_the_same_second_get_folders_of_their_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time, "strftime", lambda _: "20260102-030405")
    names = [create_run(tmp_path, RECIPE).path.relative_to(tmp_path).as_posix() for _ in range(3)]
    assert names == ["tiny/20260102-030405", "tiny/20260102-030405-2", "tiny/20260102-030405-3"]


def test_a_runs_folder_that_cannot_be_made_is_reported(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ResourceError, match=r"file/tiny/[0-9-]+: the folder cannot be made: Not a directory$"):
        create_run(tmp_path / "file", RECIPE)


def test_nothing_to_resume(tmp_path: Path) -> None:
    (tmp_path / "tiny" / "20260102-030405").mkdir(parents=True)
    with pytest.raises(RecipeError) as error:
        newest_unfinished(tmp_path, RECIPE)
    assert str(error.value) == f"nothing to resume: no run of 'tiny' in {tmp_path}"


def test_the_newest_run_is_resumed(tmp_path: Path) -> None:
    for name in ("20260102-030405-9", "20251231-235959", "20260102-030405-10", "20260102-030405", "20260102-030404-2"):
        run = started(tmp_path, name)
    assert newest_unfinished(tmp_path, RECIPE).path.name == "20260102-030405-10"
    assert run.path.name == "20260102-030404-2"


@pytest.mark.parametrize("newer", [{"finished": "2026-01-02T00:00:00Z"}, {"training_hash": "another"}], ids=str)
def test_a_run_that_cannot_be_resumed_does_not_hide_one_that_can(newer: dict[str, str], tmp_path: Path) -> None:
    started(tmp_path, "20251231-000000")
    run = started(tmp_path, "20260101-000000")
    started(tmp_path, "20260102-000000", **newer)
    assert newest_unfinished(tmp_path, RECIPE) == run


def test_a_finished_run_is_not_resumed(tmp_path: Path) -> None:
    started(tmp_path, "20260101-000000", training_hash="another")
    run = started(tmp_path, "20260102-000000", finished="2026-01-02T00:00:00Z")
    with pytest.raises(RecipeError) as error:
        newest_unfinished(tmp_path, RECIPE)
    assert str(error.value) == (
        f"nothing to resume: the newest run, {run.path}, has finished; leave out --resume to start another"
    )


@pytest.mark.parametrize(
    "changes",
    [
        {"seed": 1},
        {"data": CorridorData(episodes=31)},
        {"data": CorridorData(discount=0.9)},
        {"discretizer": QuantileConfig(bins=13)},
        {"discretizer": QuantileConfig(bins=12, reference=True)},
        {"model": GPTConfig(layers=1, heads=1, width=16, context=3)},
        {"model": GPTConfig(layers=1, heads=1, width=8, context=3, dropout=0.0)},
        {"training": TrainingConfig(steps=13)},
    ],
    ids=str,
)
def test_a_change_that_shapes_the_model_forbids_to_resume(changes: dict[str, Any], tmp_path: Path) -> None:
    run = started(tmp_path, "20260102-000000")
    with pytest.raises(RecipeError) as error:
        newest_unfinished(tmp_path, tiny_recipe(**changes))
    assert str(error.value) == (
        f"{run.path} was started with another recipe: seed, data, discretizer, model, training must be the same to "
        f"resume; its own is {run.path / 'recipe.yaml'}"
    )


@pytest.mark.parametrize(
    "changes",
    [
        {"decoder": BeamSearchConfig(horizon=9)},
        {"evaluation": EvaluationConfig(episodes=2)},
        {"environment": CorridorEnvironmentConfig(limit=5)},
        {"baselines": []},
        {"reporters": []},
        {"device": "auto"},
    ],
    ids=str,
)
def test_a_change_that_does_not_shape_the_model_allows_it(changes: dict[str, Any], tmp_path: Path) -> None:
    run = started(tmp_path, "20260102-000000")
    assert newest_unfinished(tmp_path, tiny_recipe(**changes)) == run


HOLD = """
import sys
from pathlib import Path
from ttf.run_dir import RunDir
from ttf.runs import locked
with locked(RunDir(Path(sys.argv[1]))):
    print("locked", flush=True)
    sys.stdin.read()
"""


def test_a_run_that_another_process_writes_to_is_left_alone(tmp_path: Path) -> None:
    run = RunDir(tmp_path)
    command = [sys.executable, "-c", HOLD, str(tmp_path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"locked\n"
        with pytest.raises(ResourceError) as error, locked(run):
            pass
        writer = f"process {holder.pid} of {socket.gethostname()}"
        assert str(error.value) == f"{tmp_path}: {writer} is still writing to this run"
        (tmp_path / ".writer").unlink()
        with pytest.raises(ResourceError, match=r": another process is still writing to this run$"), locked(run):
            pass
        holder.kill()
        with locked(run, patience=60):  # it has time to end
            pass
    with locked(run):
        pass
