"""The checker of the launcher contract."""

from __future__ import annotations

import sys
import threading
import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import psutil

from ttf.interfaces.launcher import Job
from ttf.testing.configuration import check_configuration
from ttf.testing.requirement import require

if TYPE_CHECKING:
    from ttf.component import LauncherConfig

_WORKS = "print('hello'); open({made!r}, 'w').write('done')"
_FAILS = "import sys; print('Error: no such maze'); sys.exit(3)"
_DIES = "import os, signal; os.kill(os.getpid(), signal.SIGKILL)"
_HANGS = "import os, time; open({made!r}, 'w').write(str(os.getpid())); time.sleep(600)"
_GREEDY = "import time; held = bytearray(600 * 2**20); held[::4096] = b'1' * len(held[::4096]); time.sleep(5)"

_LIMIT = 6.0
"""Seconds that a job may take."""

_WAIT = 60.0
"""Seconds within which a process must be there, or gone."""


_START = 10.0
"""Seconds within which a second job starts, if there is room for it."""


class _StopError(Exception):
    """Raised while jobs run."""


def check_launcher(config: LauncherConfig) -> None:
    """Check everything the contract says of a launcher, with real processes.

    It is asked to run jobs that work, fail, are killed, never end and take more memory than they may have. That takes
    some seconds.

    Args:
        config: the component; its time limit and its memory are set here.

    Raises:
        AssertionError: the contract is broken; the message says how.
    """
    check_configuration(config)
    with TemporaryDirectory() as folder:
        _check_outcomes(config, Path(folder))
    with TemporaryDirectory() as folder:
        _check_memory(config, Path(folder))
    with TemporaryDirectory() as folder:
        _check_interrupt(config, Path(folder))
    config.build().run([], _never)


def _check_outcomes(config: LauncherConfig, folder: Path) -> None:
    """Every job has an outcome of its own, told once, here."""
    limited = config.model_copy(update={"time_limit": _LIMIT / 60})
    scripts = {"hangs": _HANGS, "dies": _DIES, "fails": _FAILS, "works": _WORKS}
    jobs = [_job(folder, name, script) for name, script in scripts.items()]
    outcomes: dict[str, str | None] = {}

    def ended(job: Job, failure: str | None) -> None:
        require(threading.current_thread() is caller, "ended is called in another thread; call it in run's own")
        require(job in jobs, f"ended is called with {job!r}, which is none of the jobs")
        require(job.name not in outcomes, f"ended is called twice for {job.name!r}; call it once for every job")
        outcomes[job.name] = failure

    caller = threading.current_thread()
    limited.build().run(jobs, ended)
    for job in jobs:
        require(job.name in outcomes, f"run came back before ended was called for {job.name!r}")
    require(
        outcomes["works"] is None and _made(folder, "works").exists(),
        f"a job that works has failed: {outcomes['works']!r}; what happens to one must not reach another",
    )
    require("hello" in jobs[-1].log.read_text(), f"{jobs[-1].log.name} lacks the job's output; send it there")
    expected = {
        "fails": ("no such maze", "say what the log ends with, as ttf.processes.run_process does"),
        "dies": ("", "a job that is killed has failed"),
        "hangs": ("", "end a job at the time limit, as ttf.processes.run_process does"),
    }
    for name, (words, advice) in expected.items():
        failure = outcomes[name]
        require(
            failure and words in failure and "\n" not in failure,
            f"of the job that {name}, ended is told {failure!r}; {advice}, and in one line",
        )
    _check_gone(folder, "hangs", "run came back")


def _check_memory(config: LauncherConfig, folder: Path) -> None:
    """A job that takes too much memory has failed."""
    outcomes: list[str | None] = []
    limited = config.model_copy(update={"time_limit": None, "memory": 0.4})
    limited.build().run([_job(folder, "greedy", _GREEDY)], lambda _, failure: outcomes.append(failure))
    require(
        outcomes and outcomes[0],
        "a job that took more memory than it may has not failed; end it, as ttf.processes.run_process does",
    )


def _check_interrupt(config: LauncherConfig, folder: Path) -> None:
    """No job outlives an exception."""

    def ended(job: Job, failure: str | None) -> None:  # noqa: ARG001  (the signature)
        until = time.monotonic() + _START
        while not _made(folder, "hangs").exists() and time.monotonic() < until:
            time.sleep(0.1)
        raise _StopError

    jobs = [_job(folder, "works", _WORKS), _job(folder, "hangs", _HANGS)]
    try:
        config.build().run(jobs, ended)
    except _StopError:
        pass
    else:
        message = "an exception that ended raises does not leave run; let it pass"
        raise AssertionError(message)
    if _made(folder, "hangs").exists():
        _check_gone(folder, "hangs", "an exception left run")


def _check_gone(folder: Path, name: str, when: str) -> None:
    number = int(_made(folder, name).read_text() or 0)
    until = time.monotonic() + _WAIT
    while _runs(number) and time.monotonic() < until:
        time.sleep(0.1)
    left = _runs(number)
    if left:
        psutil.Process(number).kill()
    require(not left, f"a job still runs after {when}; end all that run")


def _runs(number: int) -> bool:
    try:
        return psutil.Process(number).status() != psutil.STATUS_ZOMBIE
    except psutil.Error:
        return False


def _job(folder: Path, name: str, script: str) -> Job:
    code = script.format(made=str(_made(folder, name)))
    return Job(name, (sys.executable, "-c", code), folder / "logs" / "cell" / f"{name}.log")


def _made(folder: Path, name: str) -> Path:
    return folder / f"{name}.txt"


def _never(job: Job, failure: str | None) -> None:
    message = f"ended is called for {job.name!r} with {failure!r}, though there is no job"
    raise AssertionError(message)
