"""Runs that tests of reporters share: whole, or cut off at a record and resumed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import pytest
from tests.core.toys import HomingConfig, Quiet, tiny_recipe

from ttf.assemble import run_recipe
from ttf.component import ReporterConfig
from ttf.interfaces.reporter import Reporter
from ttf_plugins.bc import BehaviourCloningConfig
from ttf_plugins.jsonl import JsonLinesConfig

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from ttf.run_dir import RunDir

CLOCKS = ("tokens_per_second", "seconds")
"""Figures that differ from run to run."""

CRASHES = [("learner", 20), ("train", 10), ("validation", 12), ("homing", 2), ("finish", 0)]
"""Where a run may be cut off: it has checkpoints of steps 6 and 12 only, and of the learner's last."""


class CrashError(Exception):
    """What a run that is cut off ends with."""


class CrashingReporter(Reporter):
    """Cuts a run off at a record, after other reporters have it, as a power failure would."""

    def __init__(self, at: tuple[str, int]) -> None:
        self.at = at

    def metrics(self, record: Mapping[str, Any]) -> None:
        self._maybe(record["kind"], record["step"])

    def episode(self, record: Mapping[str, Any]) -> None:
        self._maybe(record["policy"], record["episode"])

    def finish(self) -> None:
        self._maybe("finish", 0)

    def _maybe(self, *now: object) -> None:
        if now == self.at:
            raise CrashError


class CrashingConfig(ReporterConfig):
    kind: Literal["crashing"] = "crashing"
    name: str
    number: int

    def build(self, run: RunDir) -> Reporter:
        return CrashingReporter((self.name, self.number))


def run_tiny(runs: Path, *reporters: ReporterConfig, resume: bool = False) -> RunDir:
    """A run with a cloned policy beside the planner, and with these reporters after `jsonl`."""
    baselines = [HomingConfig(), BehaviourCloningConfig(hidden=8, updates=20, batch_size=8)]
    recipe = tiny_recipe(baselines=baselines, reporters=[JsonLinesConfig(), *reporters])
    return run_recipe(recipe, runs_dir=runs, resume=resume, progress=Quiet())


def crash_and_resume(runs: Path, at: tuple[str, int], *reporters: ReporterConfig) -> RunDir:
    """The same run, cut off at a record and resumed."""
    with pytest.raises(CrashError):
        run_tiny(runs, *reporters, CrashingConfig(name=at[0], number=at[1]))
    return run_tiny(runs, *reporters, resume=True)
