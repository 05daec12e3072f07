"""Run jobs on a Slurm cluster."""

from __future__ import annotations

import math
import shutil
import time
from typing import TYPE_CHECKING, Any, final

import submitit

from ttf.errors import ResourceError
from ttf.interfaces.launcher import Launcher
from ttf.processes import PATIENCE, Limits, run_process

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ttf.interfaces.launcher import Job
    from ttf_plugins.slurm import SlurmConfig

POLL = {"slurm": 10.0, "local": 0.5}
"""Seconds between two looks at the jobs."""

GRACE = 5
"""Minutes that Slurm allows a job beyond its own limit, which explains itself better."""

A_YEAR = 365 * 24 * 60
"""Minutes asked for where there is no limit; clusters cut that down to their own."""


@final
class SlurmLauncher(Launcher):
    """Submits all jobs as one array, and looks at them from time to time."""

    def __init__(self, config: SlurmConfig) -> None:
        self.config = config
        if config.cluster == "slurm" and shutil.which("srun") is None:
            message = "the launcher 'slurm' needs Slurm's srun on this machine; launcher.cluster=local tries without"
            raise ResourceError(message)

    def run(self, jobs: Sequence[Job], ended: Callable[[Job, str | None], None]) -> None:
        """See :class:`ttf.interfaces.launcher.Launcher`."""
        if not jobs:
            return
        submitted = self._submit(jobs)
        try:
            while submitted:
                for job, handle in [*submitted.items()]:
                    if handle.done(force_check=True):
                        del submitted[job]
                        ended(job, self._failure(handle))
                time.sleep(POLL[self.config.cluster])
        finally:
            for handle in submitted.values():
                handle.cancel(check=False)
            until = time.monotonic() + PATIENCE
            while time.monotonic() < until and not all(handle.done(force_check=True) for handle in submitted.values()):
                time.sleep(POLL[self.config.cluster])

    def _submit(self, jobs: Sequence[Job]) -> dict[Job, Any]:
        config = self.config
        executor = submitit.AutoExecutor(folder=jobs[0].log.parent.parent / "slurm", cluster=config.cluster)
        executor.update_parameters(
            name="ttf",
            timeout_min=A_YEAR if config.time_limit is None else math.ceil(config.time_limit) + GRACE,
            cpus_per_task=config.threads,
            gpus_per_node=config.gpus,
            **({} if config.memory is None else {"mem_gb": config.memory}),
            slurm_array_parallelism=config.at_once,
            **{f"slurm_{name}": value for name in ("partition", "account") if (value := getattr(config, name))},
        )
        with executor.batch():
            handles = [executor.submit(run_process, job, Limits.of(config)) for job in jobs]
        return dict(zip(jobs, handles, strict=True))

    def _failure(self, handle: Any) -> str | None:  # noqa: ANN401  (submitit's job)
        try:
            failure: str | None = handle.result()
        except Exception as error:  # noqa: BLE001  (whatever has happened over there)
            lines = [line for line in str(error).splitlines() if line.strip()]
            state = str(handle.state).lower()
            return f"Slurm job {handle.job_id}, {state}: {lines[-1] if lines else type(error).__name__}"
        return failure
