"""The result of a study: scores of every cell over its seeds and episodes, compared to the recipe as given."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import asdict, dataclass, field
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from ttf.aggregate import Aggregates, aggregates, paired_difference, probability_of_improvement
from ttf.errors import DataError
from ttf.source import shown
from ttf.stages import differences

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from numpy.typing import NDArray

    from ttf.ablate.records import Episodes
    from ttf.ablate.study import Study, Trial
    from ttf.ablate.study_dir import StudyDir
    from ttf.run_dir import RunDir
    from ttf.statistics import Interval

_SEED = 0
"""Of the bootstrap."""


@dataclass(frozen=True)
class Cost:
    """What a cell has cost, all its seeds together."""

    training: float
    """Seconds that its parts took to train, whoever has trained them."""

    evaluation: float
    """Seconds of acting."""

    tokens: int
    """Tokens that its models were trained on."""


@dataclass(frozen=True)
class CellResult:
    """What a cell has scored."""

    name: str
    policy: str
    """The one whose episodes are compared."""

    seeds: list[int]
    """Those that have finished."""

    scores: NDArray[np.float64]
    """(S, E): a row for every seed, a column for every episode, the same ones for all cells."""

    aggregates: Aggregates
    difference: Interval | None
    """Minus the recipe as given, over the seeds that both have finished; None for that recipe itself."""

    improvement: Interval | None
    """Probability of improvement on the recipe as given."""

    cost: Cost


@dataclass(frozen=True)
class Comparison:
    """All of it."""

    recipe: str
    base: str
    """The cell that is the recipe as given."""

    metric: str
    """What a score is: ``success`` where the environment tells, ``return`` elsewhere."""

    cells: list[CellResult]
    """Those of which a seed has finished."""

    failures: dict[str, str]
    """Of every trial that has failed, why."""

    unfinished: list[str] = field(default_factory=list)
    """Cells of which no seed has finished."""

    @property
    def scale(self) -> float:
        """What scores are multiplied with to be shown: success is in per cent."""
        return 100 if self.metric == "success" else 1

    @property
    def headline(self) -> str:
        """The aggregate that cells are ranked by: the middle half of scores that are 0 or 1 says little."""
        return "mean" if self.metric == "success" else "iqm"

    @property
    def best(self) -> str | None:
        """The cell whose interval lies above that of all others; None if there is no such cell."""
        if not self.cells:
            return None
        scores: dict[str, Interval] = {cell.name: getattr(cell.aggregates, self.headline) for cell in self.cells}
        first, *others = sorted(scores, key=lambda name: scores[name].estimate, reverse=True)
        low, highs = scores[first].low, [scores[name].high for name in others]
        apart = low is not None and all(high is not None and high < low for high in highs)
        return first if others and apart else None

    def as_json(self) -> dict[str, Any]:
        """For programs."""
        cells = [{**asdict(cell), **_intervals(cell), "scores": cell.scores.tolist()} for cell in self.cells]
        return {
            "recipe": self.recipe,
            "base": self.base,
            "metric": self.metric,
            "best": self.best,
            "cells": cells,
            "failures": self.failures,
            "unfinished": self.unfinished,
        }


def compare(study: Study, folder: StudyDir) -> Comparison:
    """Compare what has finished: all of it has acted in the same episodes.

    Raises:
        DataError: cells have acted in different environments.
    """
    records = {name: episodes for name, episodes in _episodes(study, folder) if episodes}
    finished = {name: [trial for trial in study.cells[name] if trial.seed in records[name]] for name in records}
    _check_environments({name: folder.run(trials[0]) for name, trials in finished.items()})
    every = [record for trials in records.values() for episodes in trials.values() for record in episodes.values()]
    metric = "success" if every and all(record["success"] is not None for record in every) else "return"
    scores = {
        name: {seed: [float(record[metric]) for record in episodes.values()] for seed, episodes in trials.items()}
        for name, trials in records.items()
    }
    base = study.base
    cells = [
        _result(name, trials, records[name], scores[name], {} if name == base else scores.get(base, {}), metric, folder)
        for name, trials in finished.items()
    ]
    unfinished = [name for name in study.cells if name not in finished]
    return Comparison(study.recipe.name, base, metric, cells, dict(folder.read("failures")), unfinished)


def _result(
    name: str,
    trials: Sequence[Trial],
    records: Mapping[int, Episodes],
    scores: Mapping[int, list[float]],
    base: Mapping[int, list[float]],
    metric: str,
    folder: StudyDir,
) -> CellResult:
    first = next(iter(records[trials[0].seed].values()))
    matrix = np.array([scores[seed] for seed in scores])
    paired = [seed for seed in scores if seed in base]
    mine, theirs = (np.array([rows[seed] for seed in paired]) for rows in (scores, base))
    return CellResult(
        name,
        first["policy"],
        [trial.seed for trial in trials],
        matrix,
        aggregates(matrix, _SEED, success=metric == "success"),
        paired_difference(mine, theirs, _SEED) if paired else None,
        probability_of_improvement(mine, theirs, _SEED) if paired else None,
        _cost([folder.run(trial) for trial in trials]),
    )


def _episodes(study: Study, folder: StudyDir) -> Iterator[tuple[str, dict[int, Episodes]]]:
    """Every cell with the episodes of its seeds that have finished; damaged ones have not."""
    for name, trials in study.cells.items():
        found: dict[int, Episodes] = {}
        for trial in trials:
            with suppress(DataError):
                if (episodes := folder.episodes(trial)) is not None:
                    found[trial.seed] = episodes
        yield name, found


def _check_environments(runs: Mapping[str, RunDir]) -> None:
    """Refuse cells, of each of which there is a run, that have acted in different environments.

    Raises:
        DataError: two have.
    """
    recorded = [(cell, (run.read("run") or {}).get("environment")) for cell, run in runs.items()]
    known = [(cell, environment) for cell, environment in recorded if environment is not None]
    for (first, one), (second, other) in pairwise(known):
        if found := next(differences(one, other), None):
            at, mine, theirs = found
            message = (
                f"the cells {first!r} and {second!r} cannot be compared, as they have acted in different environments: "
                f"{at} is {shown(mine)} and {shown(theirs)}; swap data of one environment only, or set environment.id "
                "and environment.options for all"
            )
            raise DataError(message)


def _cost(runs: Sequence[RunDir]) -> Cost:
    records = [run.read("run") or {} for run in runs]
    training = sum(stage["seconds"] for record in records for stage in record.get("stages", {}).values())
    evaluation = sum(record.get("timings", {}).get("evaluation", 0.0) for record in records)
    tokens = sum((record.get("model") or {}).get("tokens", 0) for record in records)
    return Cost(training, evaluation, tokens)


def _intervals(cell: CellResult) -> dict[str, Any]:
    named = {"iqm": cell.aggregates.iqm, "mean": cell.aggregates.mean, "median": cell.aggregates.median}
    return {
        "aggregates": {name: interval._asdict() for name, interval in named.items()},
        "difference": cell.difference._asdict() if cell.difference else None,
        "improvement": cell.improvement._asdict() if cell.improvement else None,
    }
