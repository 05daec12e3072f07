"""The trained parts of a run that other runs have trained, or may take from it."""

from __future__ import annotations

import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, final

from ttf.errors import CheckpointError, DataError
from ttf.run_dir import read_lines

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from ttf.interfaces.progress import Progress
    from ttf.run_dir import RunDir
    from ttf.stages import Stage, Stages


@final
class SharedParts:
    """Takes parts for a run, and leaves those that it trains; without stages it does neither."""

    def __init__(self, stages: Stages | None, run: RunDir, progress: Progress) -> None:
        self.record: dict[str, Mapping[str, Any]] = {}
        """Of every part by name: its stage, the run that trained it, in how many seconds, whether it was taken."""

        self._stages, self._run, self._progress = stages, run, progress

    @contextmanager
    def part(
        self, name: str, parts: Mapping[str, Any], folder: Path, tell: Callable[[Mapping[str, Any]], None]
    ) -> Iterator[bool]:
        """Take a part that another run has trained, or leave it to other runs once it is trained within.

        Yields whether it has been taken; its checkpoint is then in the folder. A part that this run has begun to train
        is not.

        Args:
            name: such as ``model`` or ``baseline bc``.
            parts: what shapes it.
            folder: where its checkpoints are, or will be.
            tell: takes the records of a training that is not repeated.
        """
        if self._stages is None:
            yield False
            return
        stage = self._stages.of(name, parts)
        with self._stages.claimed(stage, self._progress):
            taken = stage.finished and not folder.exists() and self._take(stage, folder, tell)
            started = time.perf_counter()
            yield taken
            if not stage.finished:
                records = (r for r in read_lines(self._run.metrics) if r.get("learner", "model") == name)
                stage.leave(folder, records, self._run.path, time.perf_counter() - started)
            made = stage.record()
        self.record[name] = {"stage": stage.path.name, "taken": taken, "run": made["run"], "seconds": made["seconds"]}

    def _take(self, stage: Stage, folder: Path, tell: Callable[[Mapping[str, Any]], None]) -> bool:
        """Take a finished stage, unless it is damaged."""
        try:
            trained_by, records = stage.record()["run"], stage.take(folder)
        except (CheckpointError, DataError) as error:
            self._progress.note(f"{error}; it is trained again")
            stage.remove()
            return False
        for record in records:
            tell(record)
        self._progress.note(f"{stage.name}: not trained again; {trained_by} has trained the same")
        return True
