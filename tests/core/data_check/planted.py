"""Data sets for the checks of data: a good one, and whatever is planted into it."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import dataclass
from functools import cache
from typing import Any, Literal

import numpy as np
from pydantic import Field

from ttf.component import DataConfig
from ttf.data_check.check import check_data
from ttf.data_check.report import Finding, Report
from ttf.episode_hash import content_hash
from ttf.interfaces.data import DataSource, EnvironmentSpec, Episode, Provenance
from ttf.interfaces.progress import Progress
from ttf.observations import ObservationRule
from ttf.recipe import Recipe
from ttf.testing.quiet import Quiet

LIMIT = 200
"""Steps of an episode at most, as in Pendulum."""


@dataclass(frozen=True)
class PlantedSource(DataSource):
    """Episodes as they are."""

    recorded: list[Episode]
    place: str | None

    def episodes(self) -> list[Episode]:
        return self.recorded

    @property
    def provenance(self) -> Provenance:
        return Provenance("planted", content_hash(self.recorded))

    @property
    def environment(self) -> EnvironmentSpec | None:
        return EnvironmentSpec(self.place) if self.place else None

    @property
    def rule(self) -> ObservationRule:
        return ObservationRule()

    def behaviour(self) -> None:
        """Nobody can do that again."""


class Planted(DataConfig):
    """Episodes that a test has made."""

    kind: Literal["planted"] = "planted"
    recorded: Any = Field(default=())
    place: str | None = None

    def build(self, *, seed: int, progress: Progress) -> DataSource:
        return PlantedSource(list(self.recorded), self.place)


def good(count: int = 120, seed: int = 0) -> list[Episode]:
    """A point on a spring that a noisy controller holds near a place that wanders; now and then it falls over."""
    return deepcopy(_made(count, seed))


@cache
def _made(count: int, seed: int) -> list[Episode]:
    random = np.random.default_rng(seed)
    return [_episode(random) for _ in range(count)]


def _episode(random: np.random.Generator) -> Episode:
    place, speed, wanted = random.normal(0, (1, 0.3, 1))
    seen, acted, earned = [(place, speed, wanted)], [], []
    steps = min(LIMIT, int(random.geometric(1 / 150)) + 20)
    for _ in range(steps):
        action = float(np.clip(1.5 * (wanted - place) - speed + random.normal(0, 0.7), -2, 2))
        speed = 0.95 * speed + 0.1 * action - 0.02 * place + random.normal(0, 0.01)
        place, wanted = place + 0.1 * speed, 0.98 * wanted + random.normal(0, 0.1)
        seen.append((place, speed, wanted))
        acted.append((action,))
        earned.append(-abs(place - wanted))
    observations = np.array(seen, dtype=np.float32)
    return Episode(
        observations=observations[:-1],
        actions=np.array(acted, dtype=np.float32),
        rewards=np.array(earned, dtype=np.float32),
        terminated=steps < LIMIT,
        final_observation=observations[-1],
    )


def report_of(episodes: list[Episode], place: str | None = "Pendulum-v1", **sections: Any) -> Report:  # noqa: ANN401
    """What the check says of episodes; ``sections`` of the recipe, with fields of its data under ``data``."""
    data = Planted(recorded=episodes, place=place, **sections.pop("data", {}))
    return check_data(Recipe(name="planted", data=data, **sections), Quiet())


def finding(report: Report, name: str) -> Finding:
    """The only finding of that name."""
    (found,) = (finding for finding in report.findings if finding.name == name)
    return found
