"""Cells on this machine."""

from __future__ import annotations

import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from ttf.interfaces.launcher import Job
from ttf.processes import GIB, Limits, run_process
from ttf.testing import check_launcher
from ttf_plugins.local import LocalConfig
from ttf_plugins.local import local as module


def test_the_contract_of_launchers_is_kept() -> None:
    check_launcher(LocalConfig(slots=2))


def _job(folder: Path, name: str, code: str) -> Job:
    return Job(name, (sys.executable, "-c", code), folder / f"{name}.log")


def test_no_more_than_slots_run_at_once_and_they_start_in_order(tmp_path: Path) -> None:
    code = "import time; print(time.monotonic(), flush=True); time.sleep(0.4); print(time.monotonic())"
    jobs = [_job(tmp_path, str(number), code) for number in range(5)]
    LocalConfig(slots=2).build().run(jobs, lambda _job, failure: _none(failure))
    spans = [tuple(map(float, job.log.read_text().split())) for job in jobs]
    starts = [start for start, _ in spans]
    assert starts[0] < starts[2] < starts[4]
    assert max(sum(start <= moment < end for start, end in spans) for moment in starts) == 2


@dataclass
class Machine:
    """What jobs that are only played do with the time and the memory of a machine."""

    memory: float
    lasts: float = 100.0
    """Seconds that a job takes."""

    needs: float = 100.0
    """Memory of a job, which it has after five seconds."""

    failing: tuple[str, ...] = ()
    clock: float = 0.0
    started: dict[str, float] = field(default_factory=dict)
    running: list[Played] = field(default_factory=list)

    def monotonic(self) -> float:
        return self.clock

    def sleep(self, _seconds: float) -> None:
        self.clock += 1

    def available(self) -> float:
        return self.memory - sum(process.used for process in self.running)

    def start(self, job: Job, _limits: Limits, _environment: object) -> Played:
        self.started[job.name] = self.clock
        self.running.append(process := Played(job, self))
        return process


class Played:
    """Stands for a process."""

    def __init__(self, job: Job, machine: Machine) -> None:
        self.job, self.machine = job, machine
        self.used = self.peak = 0.0
        self.failure: str | None = None

    def ended(self) -> bool:
        machine, age = self.machine, self.machine.clock - self.machine.started[self.job.name]
        self.used = machine.needs * min(1.0, age / 5)
        self.peak = max(self.peak, self.used)
        if age < machine.lasts:
            return False
        self.failure = "out of luck" if self.job.name in machine.failing else None
        machine.running.remove(self)
        return True

    def stop(self) -> None:
        """It has ended."""

    def kill_after(self, patience: float) -> None:
        """It has ended."""


def _played(monkeypatch: pytest.MonkeyPatch, machine: Machine, config: LocalConfig) -> list[float]:
    """When each of four jobs starts."""
    monkeypatch.setattr(module, "time", machine)
    monkeypatch.setattr(module, "Process", machine.start)
    monkeypatch.setattr(module, "available_memory", machine.available)
    jobs = [Job(str(number), ("played",), Path(f"{number}.log")) for number in range(4)]
    config.build().run(jobs, lambda _job, _failure: None)
    return [machine.started[job.name] for job in jobs]


def test_the_first_runs_alone_until_it_grows_no_more_and_then_as_many_as_there_is_memory_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert _played(monkeypatch, Machine(memory=350), LocalConfig(slots=4)) == [0, 15, 15, 100]


def test_what_one_has_used_that_has_ended_well_is_known(monkeypatch: pytest.MonkeyPatch) -> None:
    assert _played(monkeypatch, Machine(memory=350, lasts=6), LocalConfig(slots=4)) == [0, 6, 6, 6]
    failing = Machine(memory=350, lasts=6, failing=("0", "1"))
    assert _played(monkeypatch, failing, LocalConfig(slots=4)) == [0, 6, 12, 15]


def test_the_memory_that_each_may_have_is_kept_for_it(monkeypatch: pytest.MonkeyPatch) -> None:
    machine = Machine(memory=2.5 * GIB, needs=0.3 * GIB)
    assert _played(monkeypatch, machine, LocalConfig(slots=4, memory=1.0)) == [0, 0, 100, 100]


def test_a_job_runs_alone_where_there_is_not_even_memory_for_one(monkeypatch: pytest.MonkeyPatch) -> None:
    assert _played(monkeypatch, Machine(memory=10), LocalConfig(slots=4)) == [0, 100, 200, 300]


def test_threads_are_as_many_as_the_configuration_says(tmp_path: Path) -> None:
    job = _job(tmp_path, "threads", "import os; print(os.environ['OMP_NUM_THREADS'])")
    LocalConfig(threads=3, slots=1).build().run([job], lambda _job, failure: _none(failure))
    assert job.log.read_text() == "3\n"


def test_a_command_that_does_not_exist_fails_its_job_alone(tmp_path: Path) -> None:
    jobs = [Job("none", ("/no/such/program",), tmp_path / "none.log"), _job(tmp_path, "works", "print(1)")]
    outcomes: dict[str, str | None] = {}
    LocalConfig(slots=1).build().run(jobs, lambda job, failure: outcomes.update({job.name: failure}))
    assert outcomes == {"none": "cannot be started: No such file or directory", "works": None}


@pytest.mark.parametrize(
    ("code", "limits", "reason"),
    [
        ("pass", Limits(None, None, 1), None),
        ("import sys; print('Error: a'); print('Error: b'); print('c'); sys.exit(1)", Limits(None, None, 1), "b"),
        ("import sys; print('c'); sys.exit(7)", Limits(None, None, 1), "c"),
        ("import sys; sys.exit(7)", Limits(None, None, 1), "ended with exit code 7"),
        ("import os; os.kill(os.getpid(), 9)", Limits(None, None, 1), "killed by SIGKILL, as the system does when"),
        ("import os; os.kill(os.getpid(), 11)", Limits(None, None, 1), "killed by SIGSEGV"),
        ("import time; time.sleep(60)", Limits(0.3, None, 1), "still ran after 0.005 minutes"),
        (
            "import time; a = bytearray(2**28); a[::4096] = b'1' * len(a[::4096]); time.sleep(60)",
            Limits(None, 0.1 * GIB, 1),
            "used 0.",
        ),
    ],
)
def test_a_process_that_fails_says_why(tmp_path: Path, code: str, limits: Limits, reason: str | None) -> None:
    failure = run_process(_job(tmp_path, "job", code), limits)
    assert failure == reason or (reason is not None and failure is not None and failure.startswith(reason))


def test_the_words_of_an_earlier_attempt_are_not_this_ones(tmp_path: Path) -> None:
    run_process(_job(tmp_path, "job", "import sys; print('Error: the first'); sys.exit(1)"), Limits(None, None, 1))
    assert run_process(_job(tmp_path, "job", "import sys; sys.exit(1)"), Limits(None, None, 1)) == (
        "ended with exit code 1"
    )
    assert (tmp_path / "job.log").read_text() == "Error: the first\n"


def test_what_a_job_has_started_itself_ends_with_it(tmp_path: Path) -> None:
    child = "import subprocess, sys; subprocess.Popen([sys.executable, '-c', {code!r}])"
    marker = tmp_path / "alive"
    code = (
        f"import time, pathlib\nfor n in range(20): time.sleep(0.1); pathlib.Path({str(marker)!r}).write_text(str(n))"
    )
    assert run_process(_job(tmp_path, "job", child.format(code=code)), Limits(None, None, 1)) is None
    time.sleep(0.5)
    before = marker.read_text() if marker.exists() else ""
    time.sleep(0.5)
    assert (marker.read_text() if marker.exists() else "") == before


def _none(failure: str | None) -> None:
    assert failure is None
