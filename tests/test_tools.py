"""Tools refuse what they cannot do in one line, before they begin."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import minari
import pytest
from tools import record_random

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "store").mkdir()
    monkeypatch.setenv("MINARI_DATASETS_PATH", str(tmp_path / "store"))
    return tmp_path / "store"


@pytest.fixture
def refusal(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[], None], list[str]], str]:
    """What a tool says of arguments that it refuses."""

    def said(main: Callable[[], None], arguments: list[str]) -> str:
        monkeypatch.setattr(sys, "argv", ["tool", *arguments])
        with pytest.raises(SystemExit) as exit_:
            main()
        assert isinstance(exit_.value.code, str)  # goes to stderr, and the exit code is 1
        return exit_.value.code

    return said


ID = "must be words of letters, digits, '_' and '-' with a version at the end, such as mine/pendulum-v0"


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["Pendulums-v1", "a-v0"], "environment 'Pendulums-v1' is not registered; did you mean 'Pendulum-v1'?"),
        (["Pendulum-v1", "nonsense"], f"data set id 'nonsense' {ID}"),
        (["Pendulum-v1", "../a-v0"], f"data set id '../a-v0' {ID}"),
    ],
)
def test_random_actions_are_recorded_in_registered_environments_under_proper_ids(
    arguments: list[str], expected: str, refusal: Callable[[Callable[[], None], list[str]], str], store: Path
) -> None:
    assert refusal(record_random.main, arguments) == f"Error: {expected}"
    assert list(store.iterdir()) == []


@pytest.mark.usefixtures("store")
def test_random_actions_are_recorded_in_a_maze() -> None:
    pytest.importorskip("gymnasium_robotics", reason="mazes are in the extra 'mujoco'")
    command = [sys.executable, record_random.__file__, "PointMaze_UMaze-v3", "mine/maze-v0", "--episodes", "1"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # where nothing has registered mazes
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert list(minari.list_local_datasets()) == ["mine/maze-v0"]


def test_the_walker_is_not_trained_for_a_file_that_cannot_be_written(
    refusal: Callable[[Callable[[], None], list[str]], str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("mujoco", reason="the walker is trained in MuJoCo")
    from tools import train_ant_walker

    monkeypatch.setattr(train_ant_walker, "gather", None)
    file = tmp_path / "nowhere" / "walker.npz"
    expected = f"Error: {file} cannot be written: No such file or directory"
    assert refusal(train_ant_walker.main, [str(file)]) == expected
    assert refusal(train_ant_walker.main, [str(tmp_path)]) == f"Error: {tmp_path} cannot be written: Is a directory"
