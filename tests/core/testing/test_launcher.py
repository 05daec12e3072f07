"""The checker of launchers finds broken ones."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Literal

import pytest
from tests.core.testing.broken import complaint

from ttf.component import LauncherConfig
from ttf.interfaces.launcher import Launcher
from ttf.processes import POLL, Limits, Process
from ttf.testing import check_launcher
from ttf.testing import launcher as checker

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from ttf.interfaces.launcher import Job

Fault = Literal["none", "twice", "thread", "forgets", "swallows", "mute", "gives up", "lingers", "eager", "limitless"]


LEFT: list[Process] = []


def _end_all() -> None:
    while LEFT:
        LEFT.pop().kill_after(0)


class AllAtOnceConfig(LauncherConfig):
    """Starts all jobs at once."""

    kind: Literal["all_at_once"] = "all_at_once"

    fault: Fault = "none"
    """What is wrong."""

    def build(self) -> Launcher:
        return AllAtOnce(self)


class AllAtOnce(Launcher):
    def __init__(self, config: AllAtOnceConfig) -> None:
        self.config, self.fault = config, config.fault
        limits = Limits.of(config)
        self.limits = Limits(limits.seconds, None, 1) if config.fault == "limitless" else limits

    def run(self, jobs: Sequence[Job], ended: Callable[[Job, str | None], None]) -> None:
        running = [Process(job, self.limits) for job in jobs]
        try:
            while running:
                for process in [process for process in running if process.ended()]:
                    running.remove(process)
                    self.tell(ended, process)
                    if self.fault == "gives up" and process.failure:
                        return
                if self.fault == "eager" and len(running) == 1:
                    return
                time.sleep(POLL)
        finally:
            LEFT.extend(running)
            if self.fault != "lingers":
                _end_all()

    def tell(self, ended: Callable[[Job, str | None], None], process: Process) -> None:
        failure = None if self.fault == "swallows" else process.failure
        if self.fault == "mute":
            failure = failure and "failed"
        if self.fault == "forgets" and process.job.name == "works":
            return
        if self.fault == "thread":
            errors: list[BaseException] = []
            thread = threading.Thread(target=_kept, args=(ended, process.job, failure, errors))
            thread.start()
            thread.join()
            if errors:
                raise errors[0]
            return
        ended(process.job, failure)
        if self.fault == "twice":
            ended(process.job, failure)


def _kept(ended: Callable[[Job, str | None], None], job: Job, failure: str | None, errors: list[BaseException]) -> None:
    try:
        ended(job, failure)
    except AssertionError as error:
        errors.append(error)


@pytest.fixture(autouse=True)
def _hasty(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(checker, "_LIMIT", 2.0)
    monkeypatch.setattr(checker, "_WAIT", 1.0)
    yield
    _end_all()


def test_a_correct_launcher_passes() -> None:
    check_launcher(AllAtOnceConfig())


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        ("twice", "ended is called twice for "),
        ("thread", "ended is called in another thread; call it in run's own"),
        ("forgets", "run came back before ended was called for 'works'"),
        ("swallows", "of the job that fails, ended is told None; say what the log ends with"),
        ("mute", "of the job that fails, ended is told 'failed'; say what the log ends with"),
        ("gives up", "run came back before ended was called for "),
        ("eager", "run came back before ended was called for "),
        ("lingers", "a job still runs after an exception left run; end all that run"),
        ("limitless", "a job that took more memory than it may has not failed; end it"),
    ],
)
def test_a_broken_launcher_is_found_out(fault: Fault, message: str) -> None:
    assert complaint(lambda: check_launcher(AllAtOnceConfig(fault=fault))).startswith(message)
