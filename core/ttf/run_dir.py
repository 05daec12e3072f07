"""RunDir: the files of a run; the only module that knows their names."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from safetensors import SafetensorError
from safetensors.numpy import save

from ttf.errors import DataError, ResourceError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    import numpy as np
    from numpy.typing import NDArray

__all__ = ["RunDir", "append_text", "write_text"]


@dataclass(frozen=True)
class RunDir:
    """A run folder.

    ====================== ==========================================================================
    recipe.yaml            the resolved recipe, runnable as it is
    run.json               versions, machine, data provenance, layout, counts
    metrics.jsonl          a line per training or validation record
    episodes.jsonl         a line per evaluation episode
    metrics.csv            the same as tables, for spreadsheets
    episodes.csv
    discretizer.json       per column: bins, dead bins, reconstruction error
    floor_plan.json        the world from above, where there is one
    trajectories.safetensors  observations and actions of some evaluation episodes, and plans
    result.json            the table of the run
    analyses/NAME.json     what an analysis found
    tensorboard/NAME/      event files of the model, a learner or a policy
    wandb.json, wandb/     the run's id for Weights & Biases, and what it keeps until it is uploaded
    videos/POLICY-EPISODE.mp4  what an evaluation episode looked like
    report.html            what a person looks at
    tokens/                the tokenised data set, memory-mapped while training
    learned/NAME-KEY/      checkpoints of the critic and of baselines
    checkpoints/           of the sequence model; see :mod:`ttf.checkpoint`
    ====================== ==========================================================================
    """

    path: Path

    @property
    def recipe(self) -> Path:
        """The resolved recipe."""
        return self.path / "recipe.yaml"

    @property
    def metrics(self) -> Path:
        """Training and validation records."""
        return self.path / "metrics.jsonl"

    @property
    def episodes(self) -> Path:
        """Evaluation episodes."""
        return self.path / "episodes.jsonl"

    @property
    def metrics_table(self) -> Path:
        """Training and validation records, as a table."""
        return self.path / "metrics.csv"

    @property
    def episodes_table(self) -> Path:
        """Evaluation episodes, as a table."""
        return self.path / "episodes.csv"

    @property
    def trajectories(self) -> Path:
        """Observations and actions of evaluation episodes, and plans."""
        return self.path / "trajectories.safetensors"

    def tensorboard(self, name: str) -> Path:
        """Folder of the event files of the model, a learner or a policy."""
        return self.path / "tensorboard" / name.replace(" ", "-").replace(":", "-")

    @property
    def videos(self) -> Path:
        """Folder of the videos."""
        return self.path / "videos"

    def video(self, policy: str, episode: int, form: str) -> Path:
        """The video of an evaluation episode, ``form`` being ``mp4`` or ``gif``."""
        return self.videos / f"{policy.replace(' ', '-').replace(':', '-').replace('/', '-')}-{episode}.{form}"

    @property
    def report(self) -> Path:
        """The HTML report."""
        return self.path / "report.html"

    @property
    def tokens(self) -> Path:
        """Folder of the tokenised data."""
        return self.path / "tokens"

    @property
    def checkpoints(self) -> Path:
        """Folder of the checkpoints."""
        return self.path / "checkpoints"

    def learned(self, name: str, key: str) -> Path:
        """Folder of the checkpoints of a critic or a baseline, for what shapes it."""
        return self.path / "learned" / f"{name.replace(' ', '-')}-{key[:8]}"

    @property
    def analyses(self) -> Path:
        """Folder of what the analyses found."""
        return self.path / "analyses"

    def analysis(self, name: str) -> str:
        """The JSON document of an analysis, for :meth:`read`."""
        return f"{self.analyses.name}/{name.replace(' ', '-').replace(':', '-')}"

    def analysed(self) -> list[str]:
        """The JSON documents of all analyses, sorted, for :meth:`read`."""
        return sorted(self.analysis(file.stem) for file in self.analyses.glob("[!.]*.json"))

    @property
    def lock(self) -> Path:
        """Held by the process that writes this run."""
        return self.path / ".lock"

    @property
    def writer(self) -> Path:
        """Which process that is, for people."""
        return self.path / ".writer"

    def read(self, name: str) -> Any:  # noqa: ANN401  (JSON)
        """A JSON document of the run, such as ``run``, ``result`` or :meth:`analysis`; None if absent.

        Raises:
            DataError: it is not a JSON mapping.
        """
        file = self._document(name)
        if not file.exists():
            return None
        document = _json(file, file.read_bytes())
        if not isinstance(document, dict):
            message = f"{file}: not a JSON mapping"
            raise DataError(message)
        return document

    def write(self, name: str, document: object, *, indent: int | None = 2) -> None:
        """Write a JSON document of the run, whole or not at all."""
        write_text(self._document(name), json.dumps(document, indent=indent, allow_nan=False) + "\n")

    def write_analysis(self, name: str, document: object) -> None:
        """Write what an analysis found, on one line, as maps are long."""
        try:
            self.analyses.mkdir(exist_ok=True)
        except OSError as error:
            message = f"{self.analyses}: cannot be made: {error.strerror or error}"
            raise ResourceError(message) from error
        self.write(self.analysis(name), document, indent=None)

    def _document(self, name: str) -> Path:
        return self.path / f"{name}.json"


def write_text(file: Path, text: str) -> None:
    """Replace a text file, whole or not at all.

    Raises:
        ResourceError: the file cannot be written.
    """
    partial = file.with_name(f".{file.name}.{os.getpid()}.tmp")
    try:
        partial.write_text(text, encoding="utf-8")
        partial.replace(file)
    except OSError as error:
        partial.unlink(missing_ok=True)
        message = f"{file}: cannot be written: {error.strerror or error}"
        raise ResourceError(message) from error


def append_text(file: Path, text: str) -> None:
    """Append to a text file at once, without a buffer.

    Raises:
        ResourceError: the file cannot be written.
    """
    try:
        with file.open("ab", buffering=0) as stream:
            stream.write(text.encode())
    except OSError as error:
        message = f"{file}: cannot be written: {error.strerror or error}"
        raise ResourceError(message) from error


def read_lines(file: Path) -> Iterator[dict[str, Any]]:
    """Records of a JSON-lines file; a last line that was cut off is left out.

    Raises:
        DataError: a line is not JSON.
    """
    if not file.exists():
        return
    for line in file.read_bytes().splitlines(keepends=True):
        if line.endswith(b"\n"):
            yield _json(file, line)


def _json(file: Path, text: bytes) -> Any:  # noqa: ANN401  (JSON)
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:  # bad UTF-8, bad JSON, or brackets without end
        message = f"{file}: not JSON: {error}"
        raise DataError(message) from error


def write_lines(file: Path, records: Iterable[Mapping[str, Any]]) -> None:
    """Replace a JSON-lines file, whole or not at all."""
    write_text(file, "".join(json.dumps(record, allow_nan=False) + "\n" for record in records))


def save_trajectories(run: RunDir, arrays: dict[str, NDArray[np.float32]]) -> None:
    """Write the arrays ``POLICY/EPISODE/observations`` (T + 1, O), ``.../actions`` (T, A) and ``.../plan/STEP`` (H, O).

    Raises:
        ResourceError: the file cannot be written.
    """
    partial = run.path / f".trajectories.{os.getpid()}.tmp"
    try:
        partial.write_bytes(save(arrays))  # save_file would make a file that only its owner can read
        partial.replace(run.trajectories)
    except (OSError, SafetensorError) as error:
        partial.unlink(missing_ok=True)
        message = f"{run.trajectories}: cannot be written: {error}"
        raise ResourceError(message) from error
