"""Run jobs one after the other."""

from __future__ import annotations

from typing import TYPE_CHECKING, final

from ttf.interfaces.launcher import Launcher
from ttf.processes import Limits, run_process

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ttf.interfaces.launcher import Job

    from my_launcher import MyLauncherConfig


@final
class MyLauncher(Launcher):
    """Runs each job to its end before the next one; one that has failed may be tried again."""

    def __init__(self, config: MyLauncherConfig) -> None:
        self._again = config.again
        self._limits = Limits.of(config)

    def run(self, jobs: Sequence[Job], ended: Callable[[Job, str | None], None]) -> None:
        """Run all jobs; see :class:`ttf.interfaces.launcher.Launcher`."""
        for job in jobs:
            failure = self._outcome(job)
            for _ in range(self._again):
                if failure is None:
                    break
                failure = self._outcome(job)
            ended(job, failure)

    def _outcome(self, job: Job) -> str | None:
        try:
            return run_process(job, self._limits)
        except OSError as error:
            return f"cannot be started: {error.strerror or error}"
