"""Run jobs on a Ray cluster."""

from __future__ import annotations

import logging
import signal
import socket
import threading
from contextlib import redirect_stdout
from io import StringIO
from typing import TYPE_CHECKING, Any, final

import ray

from ttf.errors import ResourceError, reason
from ttf.interfaces.launcher import Launcher
from ttf.interrupts import handled
from ttf.processes import GIB, PATIENCE, Limits, run_process

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ttf.interfaces.launcher import Job
    from ttf_plugins.ray import RayConfig


@final
class RayLauncher(Launcher):
    """Makes every job a task, which Ray starts where there is room."""

    def __init__(self, config: RayConfig) -> None:
        self.config = config

    def run(self, jobs: Sequence[Job], ended: Callable[[Job, str | None], None]) -> None:
        """See :class:`ttf.interfaces.launcher.Launcher`.

        Raises:
            ResourceError: there is no cluster at the address.
        """
        words = redirect_stdout(StringIO())  # Ray prints paragraphs about workers that die, whatever it is told
        with words, handled() as interrupts, interrupts.deferred(patient=True):  # no exception may leave Ray's calls
            mine = not ray.is_initialized()
            if mine:
                self._connect()
            tasks: dict[Any, Job] = {}
            try:
                remote = ray.remote(**self._needs())(run_process)
                tasks |= {remote.remote(job, Limits.of(self.config)): job for job in jobs}
                while tasks:
                    finished, _ = ray.wait([*tasks], num_returns=1, timeout=1.0)
                    for task in finished:
                        ended(tasks.pop(task), self._failure(task))
                    interrupts.check()
            finally:
                for task in tasks:
                    ray.cancel(task, force=False)
                if tasks:
                    ray.wait([*tasks], num_returns=len(tasks), timeout=PATIENCE)
                if mine:
                    ray.shutdown()

    def _connect(self) -> None:
        address = self.config.address
        before = signal.getsignal(signal.SIGTERM)
        logging.getLogger("ray").setLevel(logging.ERROR)
        try:
            _knock(address)
            ray.init(
                address=address or "local",
                include_dashboard=None if address else False,
                log_to_driver=False,
                logging_level=logging.ERROR,
            )
        except (OSError, RuntimeError, ValueError) as error:
            message = f"no Ray cluster at {address or 'this machine'}: {reason(error)}"
            raise ResourceError(message) from error
        finally:
            if threading.current_thread() is threading.main_thread():
                signal.signal(signal.SIGTERM, before)  # Ray's own would end this process without a word

    def _needs(self) -> dict[str, Any]:
        """What a task asks of its node. One that dies is not tried again: its cell says why it has failed."""
        memory = {} if self.config.memory is None else {"memory": int(GIB * self.config.memory)}
        return {"num_cpus": self.config.threads, "num_gpus": self.config.gpus, "max_retries": 0, **memory}

    def _failure(self, task: Any) -> str | None:  # noqa: ANN401  (Ray's reference)
        try:
            failure: str | None = ray.get(task)
        except ray.exceptions.RayTaskError as error:
            return f"cannot be started: {reason(error.cause)}"
        except (ray.exceptions.WorkerCrashedError, ray.exceptions.OutOfMemoryError):
            return "the Ray worker was killed, as happens when memory runs out"
        except ray.exceptions.NodeDiedError:
            return "the Ray node it ran on has died, or cannot be reached any more"
        except ray.exceptions.RayError as error:
            return f"{type(error).__name__}: {reason(error)}"
        return failure


def _knock(address: str | None) -> None:
    """See whether anybody is there: Ray itself would wait for many minutes.

    Raises:
        OSError: nobody is.
    """
    host, colon, port = (address or "").rpartition(":")
    if colon and port.isdecimal() and "/" not in host:
        socket.create_connection((host, int(port)), timeout=10).close()
