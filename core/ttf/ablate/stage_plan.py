"""What a study has to train, and what it finds trained or trains once for several cells."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ttf.device import resolve_device
from ttf.runs import digest
from ttf.stages import stage_parts

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from ttf.ablate.study import Trial
    from ttf.stages import Stages


@dataclass
class PlannedStage:
    """A part that trials of a study need."""

    name: str
    kept: bool
    """Whether an earlier run has trained it."""

    trials: list[Trial] = field(default_factory=list)
    """Who needs it; the first of them trains it."""


def planned_stages(trials: Iterable[Trial], stages: Stages) -> list[PlannedStage]:
    """All parts that trials need, in the order in which they are first needed.

    The data is not opened: a part counts as trained if everything that shapes it is the same but for the content of the
    data, of which only the options are known.
    """
    kept = {_key(stage.name, stage.parts) for stage in stages.finished()}
    planned: dict[str, PlannedStage] = {}
    for trial in trials:
        device = resolve_device(trial.recipe.device).type
        for name, parts in stage_parts(trial.recipe, "", device).items():
            key = _key(name, parts)
            planned.setdefault(key, PlannedStage(name, key in kept)).trials.append(trial)
    return [*planned.values()]


def startable(trials: Iterable[Trial], stages: Stages) -> list[Trial]:
    """Those trials that have nothing to wait for: they train what they need, or it is there.

    One that needs what another one is to train would keep a place while it waits, and its time limit would run.
    """
    every = [*trials]
    waiting = {trial.name for stage in planned_stages(every, stages) if not stage.kept for trial in stage.trials[1:]}
    return [trial for trial in every if trial.name not in waiting]


def _key(name: str, parts: Mapping[str, Any]) -> str:
    return digest({"name": name, "parts": {key: value for key, value in parts.items() if key != "data_sha256"}})
