"""Record a point on a line; put what reads or makes your own episodes here."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, final

import numpy as np
from ttf.episode_hash import content_hash
from ttf.interfaces.data import DataSource, EnvironmentSpec, Episode, Provenance
from ttf.observations import ObservationRule

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ttf.interfaces.policy import Policy
    from ttf.interfaces.progress import Task


@final
class MyData(DataSource):
    """Recorded episodes, of whose observations some dimensions are kept."""

    def __init__(self, episodes: list[Episode], dims: list[int] | None) -> None:
        self._rule = ObservationRule(dims=None if dims is None else tuple(dims))
        self._episodes = [replace(one, observations=self._rule.flatten(one.observations)) for one in episodes]
        self._provenance = Provenance("my_data", content_hash(self._episodes))

    def episodes(self) -> Sequence[Episode]:
        """All episodes, in recorded order."""
        return self._episodes

    @property
    def provenance(self) -> Provenance:
        """A name, and a hash of what was recorded."""
        return self._provenance

    @property
    def environment(self) -> EnvironmentSpec | None:
        """No registered one; a recipe names where its planner acts."""
        return None

    @property
    def rule(self) -> ObservationRule:
        """Which dimensions are kept."""
        return self._rule

    def behaviour(self) -> Policy | None:
        """The policy cannot act again."""
        return None


def recorded(seed: tuple[int, ...], steps: int, noise: float, task: Task) -> Episode:
    """An episode: observations (T, 2) are place and speed, actions (T, 1) a push."""
    random = np.random.default_rng(seed)
    place, speed = random.uniform(-1, 1), 0.0
    rows: list[tuple[float, ...]] = []
    for _ in range(steps):
        push = float(np.clip(-place - speed + random.normal(0, noise), -1, 1))
        rows.append((place, speed, push, -abs(place)))
        speed = 0.9 * speed + 0.1 * push
        place += speed
    task.advance()
    columns = np.array(rows, dtype=np.float32)
    return Episode(columns[:, :2], columns[:, 2:3], columns[:, 3], terminated=False)
