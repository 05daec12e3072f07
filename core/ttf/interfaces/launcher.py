"""Launcher: runs the cells of a study as processes, here or elsewhere."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path


@dataclass(frozen=True)
class Job:
    """A process to run."""

    name: str
    """What a person calls it."""

    command: tuple[str, ...]
    """What to execute; where it runs, the same files must be there."""

    log: Path
    """The file that its output goes to."""


class Launcher(ABC):
    """Runs jobs, as many at once as it has room for. What happens to one never reaches another."""

    @abstractmethod
    def run(self, jobs: Sequence[Job], ended: Callable[[Job, str | None], None]) -> None:
        """Run all jobs, in their order as far as there is room, and come back when the last one has ended.

        Where this is left by an exception, such as an interrupt, all jobs that still run are asked to stop, and ended
        if they do not.

        Args:
            jobs: what to run.
            ended: told of every job when it has ended, in this thread: None, or in a line why it has failed.
        """
