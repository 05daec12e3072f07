"""Jobs as processes of this machine: with limits, and with a reason where one fails."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, final

import psutil

from ttf.errors import Interrupted

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ttf.component import LauncherConfig
    from ttf.interfaces.launcher import Job

__all__ = ["Limits", "Process", "available_memory", "run_process"]

GIB = 2**30

POLL = 0.1
"""Seconds between two looks at a process."""

PATIENCE = 30.0
"""Seconds that a process has to save what it has done when it is asked to stop."""

_TIED = "TTF_STDIN_IS_LAUNCHER"
"""Set for a job whose stdin nobody writes to: it closes when the process that has started the job is gone."""


@dataclass(frozen=True)
class Limits:
    """What a job may use."""

    seconds: float | None
    bytes: float | None
    threads: int

    @classmethod
    def of(cls, config: LauncherConfig) -> Limits:
        """The limits of a launcher's configuration."""
        seconds = None if config.time_limit is None else 60 * config.time_limit
        return cls(seconds, None if config.memory is None else GIB * config.memory, config.threads)


@final
class Process:
    """A job that runs, with all the processes that it has started itself.

    Raises:
        OSError: it cannot be started.
    """

    def __init__(self, job: Job, limits: Limits, environment: Mapping[str, str] | None = None) -> None:
        self.job = job
        self.used = self.peak = 0
        """Bytes of memory seen in use, last and at most."""

        self.failure: str | None = None
        """Why it has failed, once it has ended; None if it has not."""

        self._limits = limits
        self._started = time.monotonic()
        threads = {name: str(limits.threads) for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS")}
        job.log.parent.mkdir(parents=True, exist_ok=True)
        with job.log.open("ab") as log:
            self._offset = log.tell()  # an earlier attempt's words are not this one's
            self._process = subprocess.Popen(  # noqa: S603  (the command is ours)
                job.command,
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=subprocess.STDOUT,
                env={**os.environ, **threads, **(environment or {}), _TIED: "1"},
                start_new_session=True,
            )

    def ended(self) -> bool:
        """Look at it: whether it has ended, by itself or by its limits."""
        code = self._process.poll()
        if code is not None:
            self.failure = self._reason(code)
            self._kill()  # what it may have left behind
            return True
        self.used = used = self._memory()
        self.peak = max(self.peak, used)
        seconds, allowed = self._limits.seconds, self._limits.bytes
        if seconds is not None and time.monotonic() - self._started > seconds:
            self.failure = f"still ran after {seconds / 60:g} minutes"
        elif allowed is not None and used > allowed:
            self.failure = f"used {used / GIB:.2f} GiB of memory; {allowed / GIB:g} are allowed"
        if self.failure is not None:
            self._kill()
            self._process.wait()
        return self.failure is not None

    def stop(self) -> None:
        """Ask it to save and stop."""
        with suppress(ProcessLookupError):
            self._process.terminate()

    def kill_after(self, patience: float) -> None:
        """End it, unless it ends by itself within some seconds."""
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(max(patience, 0))
        self._kill()
        self._process.wait()

    def _kill(self) -> None:
        if self._process.stdin is not None:
            self._process.stdin.close()
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, signal.SIGKILL)

    def _memory(self) -> int:
        """Bytes in use by it and by all that it has started."""
        with suppress(psutil.Error):
            first = psutil.Process(self._process.pid)
            return sum(_resident(process) for process in (first, *first.children(recursive=True)))
        return 0

    def _reason(self, code: int) -> str | None:
        if code == 0:
            return None
        if code < 0:
            name = signal.Signals(-code).name
            return f"killed by {name}{', as the system does when memory runs out' if name == 'SIGKILL' else ''}"
        return self._last_words() or f"ended with exit code {code}"

    def _last_words(self) -> str | None:
        """The error at the end of its log, or else the last line."""
        with self.job.log.open("rb") as log:
            log.seek(max(self._offset, self.job.log.stat().st_size - 20_000))
            lines = [line for line in log.read().decode(errors="replace").splitlines() if line.strip()]
        errors = [line.removeprefix("Error: ") for line in lines if line.startswith("Error: ")]
        return next(reversed(errors or lines), None)


def run_process(job: Job, limits: Limits) -> str | None:
    """Run a job to its end; why it has failed, or None.

    Raises:
        OSError: it cannot be started.
    """
    process = Process(job, limits)
    try:
        while not process.ended():
            time.sleep(POLL)
    except (KeyboardInterrupt, Interrupted, SystemExit):
        process.stop()
        process.kill_after(PATIENCE)
        raise
    return process.failure


def end_with_launcher() -> None:
    """End this job once the process that has started it as a :class:`Process` is gone, whatever has ended that."""
    if os.environ.pop(_TIED, None):
        threading.Thread(target=_end_when_alone, daemon=True).start()


def _end_when_alone() -> None:
    os.read(0, 1)  # comes back when nobody holds the other end
    os.kill(os.getpid(), signal.SIGTERM)  # the main thread saves, if it can
    time.sleep(PATIENCE)
    os.killpg(0, signal.SIGKILL)


def available_memory() -> int:
    """Bytes that further processes can have."""
    return int(psutil.virtual_memory().available)


def this_command(*arguments: str) -> tuple[str, ...]:
    """The command that runs ``ttf`` with arguments in this Python."""
    return (sys.executable, "-m", "ttf", *arguments)


def _resident(process: psutil.Process) -> int:
    with suppress(psutil.Error):
        return int(process.memory_info().rss)
    return 0
