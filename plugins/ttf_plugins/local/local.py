"""Run jobs on this machine."""

from __future__ import annotations

import os
import time
from collections import deque
from typing import TYPE_CHECKING, final

import torch

from ttf.interfaces.launcher import Launcher
from ttf.processes import PATIENCE, POLL, Limits, Process, available_memory

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ttf.interfaces.launcher import Job
    from ttf_plugins.local import LocalConfig


SETTLED = 10.0
"""Seconds after which a job that has not grown is taken to have all the memory that it needs."""


@final
class _Need:
    """The memory that a job needs: what it is allowed, or else the most that any has used.

    As long as nothing is known of the latter, a job runs alone: until one has ended well, or has stopped growing.
    """

    def __init__(self, allowed: float | None) -> None:
        self._allowed = allowed
        self._peak, self._grew, self._known = 0, time.monotonic(), False

    def look(self, process: Process, *, over: bool) -> None:
        """Learn from a job that runs, or is over."""
        if process.peak > 1.05 * self._peak:
            self._grew = time.monotonic()
        self._peak = max(self._peak, process.peak)
        settled = self._peak > 0 and time.monotonic() - self._grew >= SETTLED
        self._known = self._known or (process.failure is None if over else settled)

    def room_beside(self, running: Sequence[Process]) -> bool:
        """Whether there is memory for one more, also once all that run have taken what they need."""
        need = self._peak if self._allowed is None else self._allowed
        known = self._known or self._allowed is not None
        growth = sum(max(0.0, need - process.used) for process in running)
        return not running or (known and available_memory() >= need + growth)


@final
class LocalLauncher(Launcher):
    """Starts a job whenever there is a slot and memory for it; every GPU is a slot of its own."""

    def __init__(self, config: LocalConfig) -> None:
        self.config = config
        self.gpus = torch.cuda.device_count()
        self.slots = config.slots or self.gpus or max(1, _processors() // config.threads)
        self._need = _Need(Limits.of(config).bytes)

    def run(self, jobs: Sequence[Job], ended: Callable[[Job, str | None], None]) -> None:
        """See :class:`ttf.interfaces.launcher.Launcher`."""
        waiting, running = deque(jobs), dict[int, Process]()
        try:
            while waiting or running:
                for slot, process in [*running.items()]:
                    over = process.ended()
                    self._need.look(process, over=over)
                    if over:
                        del running[slot]
                        ended(process.job, process.failure)
                while waiting and len(running) < self.slots and self._need.room_beside([*running.values()]):
                    slot = min({*range(self.slots)} - {*running})
                    job = waiting.popleft()
                    try:
                        running[slot] = self._start(job, slot)
                    except OSError as error:
                        ended(job, f"cannot be started: {error.strerror or error}")
                time.sleep(POLL)
        finally:
            for process in running.values():
                process.stop()
            until = time.monotonic() + PATIENCE
            for process in running.values():
                process.kill_after(until - time.monotonic())

    def _start(self, job: Job, slot: int) -> Process:
        own_gpu = {"CUDA_VISIBLE_DEVICES": str(slot % self.gpus)} if self.gpus else {}
        return Process(job, Limits.of(self.config), own_gpu)


def _processors() -> int:
    """Processors that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
