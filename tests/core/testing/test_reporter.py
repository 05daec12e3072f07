"""The checker of reporters finds broken ones."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Literal

import pytest
from tests.core.testing.broken import MEDDLING, complaint, every_meddling, meddling_in, replacing, spoiled

from ttf.component import ReporterConfig
from ttf.errors import ResourceError
from ttf.interfaces.reporter import Reporter
from ttf.testing import check_reporter

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from ttf.run_dir import RunDir

Fault = Literal["none", "erases", "first folder", "unclear"]

FOLDERS: list[Path] = []


class DiaryConfig(ReporterConfig):
    """A diary of everything that is told."""

    kind: Literal["diary"] = "diary"

    fault: Fault = "none"
    """What is wrong."""

    def build(self, run: RunDir) -> Reporter:
        FOLDERS.append(run.path)
        return Diary(run, self.fault)


class Diary(Reporter):
    def __init__(self, run: RunDir, fault: Fault) -> None:
        self.run, self.fault = run, fault
        self.file = (FOLDERS[0] if fault == "first folder" else run.path) / "diary.txt"
        if fault == "erases":
            self.file.write_text("")

    def write(self, text: str) -> None:
        try:
            with self.file.open("a") as file:
                file.write(f"{text}\n")
        except OSError as error:
            if self.fault == "unclear":
                raise
            message = f"{self.file}: cannot be written"
            raise ResourceError(message) from error

    def metrics(self, record: Mapping[str, Any]) -> None:
        self.write(json.dumps(record))

    def episode(self, record: Mapping[str, Any]) -> None:
        self.write(json.dumps(record))

    def finish(self) -> None:
        self.write("The end.")


def telling(method: str, change: Callable[[Any], object]) -> DiaryConfig:
    """A reporter that does something with a record first."""
    return spoiled(DiaryConfig(), replacing(method, lambda write, record: write(change(record) or record)))


def rewriting(reporter: Diary) -> None:
    """Notes in the run's own record that it is over."""
    replacing("finish", lambda _: reporter.run.write("run", {"over": True}))(reporter)


def test_a_correct_reporter_passes() -> None:
    check_reporter(DiaryConfig())


@pytest.mark.parametrize(
    ("config", "message"),
    [
        (
            DiaryConfig(fault="erases"),
            "built again for a run that is resumed, the reporter lost what it had written to",
        ),
        (
            DiaryConfig(fault="first folder"),
            "a record of one run changed another run's folder; keep the run that build",
        ),
        (DiaryConfig(fault="unclear"), "in a folder that is gone, the reporter raised FileNotFoundError("),
        (telling("metrics", lambda record: record.pop("step")), "metrics changed the record; copy what you modify"),
        (telling("episode", lambda record: record.update(seen=True)), "episode changed the record; copy what you"),
        (spoiled(DiaryConfig(), rewriting), "the reporter changed run.json, which is not its own; write other files"),
    ],
)
def test_a_broken_reporter_is_found_out(config: DiaryConfig, message: str) -> None:
    FOLDERS.clear()
    assert complaint(lambda: check_reporter(config)).startswith(message)


@every_meddling
@pytest.mark.parametrize("method", ["metrics", "finish"])
def test_a_reporter_that_meddles_is_found_out(method: str, meddling: str) -> None:
    config = spoiled(DiaryConfig(), meddling_in(method, meddling))
    assert complaint(lambda: check_reporter(config)).startswith(f"{method} {MEDDLING[meddling][1]}")
