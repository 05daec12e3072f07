"""A job ends with the process that has started it, whatever has ended that."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil
import pytest

from ttf.cli.edge import run_cli
from ttf.processes import PATIENCE, end_with_launcher

if TYPE_CHECKING:
    from collections.abc import Callable

SMOKE = Path(__file__).parents[2] / "recipes" / "smoke" / "pointmaze_beam_search.yaml"

LAUNCHER = """
import sys, time
from pathlib import Path
from ttf.interfaces.launcher import Job
from ttf.processes import Limits, Process
job = Process(Job("job", (sys.executable, "-c", sys.argv[1]), Path(sys.argv[2])), Limits(None, None, 1))
time.sleep(600)
"""
JOB = """
import os, signal, time
from pathlib import Path
from ttf import processes
{deaf}
processes.end_with_launcher()
Path("number").write_text(str(os.getpid()))
time.sleep(600)
"""
DEAF = "processes.PATIENCE = 0.1; signal.signal(signal.SIGTERM, signal.SIG_IGN)"


@pytest.mark.parametrize("deaf", ["", DEAF], ids=["heeds SIGTERM", "does not"])
def test_a_job_ends_when_its_launcher_is_killed(deaf: str, tmp_path: Path) -> None:
    command = [sys.executable, "-c", LAUNCHER, JOB.format(deaf=deaf), "log"]
    with subprocess.Popen(command, cwd=tmp_path) as launcher:
        _wait(lambda: (tmp_path / "number").exists() and (tmp_path / "number").read_text() != "")
        job = psutil.Process(int((tmp_path / "number").read_text()))
        assert job.is_running()
        launcher.kill()
    _wait(lambda: not job.is_running() or job.status() == psutil.STATUS_ZOMBIE)


def test_a_process_that_nobody_has_launched_waits_for_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TTF_STDIN_IS_LAUNCHER", raising=False)
    before = threading.active_count()
    end_with_launcher()
    assert threading.active_count() == before


def test_a_trial_ends_with_its_launcher_and_waits_for_one_that_is_just_ending(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    done: list[Any] = []
    monkeypatch.setattr("ttf.processes.end_with_launcher", lambda: done.append("tied"))
    monkeypatch.setattr("ttf.assemble.run_in", lambda *_args, patience: done.append(patience))
    (tmp_path / "recipe.yaml").write_text(SMOKE.read_text())
    assert run_cli(("trial", str(tmp_path), "--runs-dir", str(tmp_path / "runs"))) == 0
    assert done == ["tied", PATIENCE]


def _wait(until: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not until():
        assert time.monotonic() < deadline
        time.sleep(0.02)
