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


@final
class LocalLauncher(Launcher):
    """Starts a job whenever there is a slot and memory for it; every GPU is a slot of its own."""

    def __init__(self, config: LocalConfig) -> None:
        self.config = config
        self.gpus = torch.cuda.device_count()
        self.slots = config.slots or self.gpus or max(1, _processors() // config.threads)

    def run(self, jobs: Sequence[Job], ended: Callable[[Job, str | None], None]) -> None:
        """See :class:`ttf.interfaces.launcher.Launcher`."""
        waiting, running, peak = deque(jobs), dict[int, Process](), 0
        try:
            while waiting or running:
                for slot, process in [*running.items()]:
                    if process.ended():
                        del running[slot]
                        ended(process.job, process.failure)
                    peak = max(peak, process.peak)
                while waiting and len(running) < self.slots and (not running or available_memory() >= peak):
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
