"""Small parts that tests of the loops share: a corridor to walk along, its data, and recipes for it."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import torch
from pydantic import Field

from ttf.component import BaselineConfig, DataConfig, EnvironmentConfig
from ttf.episodes import Rows, Windows, make_rows
from ttf.interfaces.data import DataSource, EnvironmentSpec, Episode, Provenance
from ttf.interfaces.environment import Environment, FloorPlan, Session, Transition
from ttf.interfaces.policy import Actor, Policy
from ttf.layout import Layout
from ttf.observations import ObservationRule
from ttf.recipe import Recipe
from ttf.sections import EvaluationConfig, TrainingConfig
from ttf_plugins.beam_search import BeamSearchConfig
from ttf_plugins.gpt import GPTConfig
from ttf_plugins.jsonl import JsonLinesConfig
from ttf_plugins.quantile import QuantileConfig

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from ttf.interfaces.critic import Critic
    from ttf.interfaces.discretizer import Discretizer
    from ttf.interfaces.learner import Learner
    from ttf.interfaces.progress import Progress, Task


@dataclass
class Ticks:
    """A task that remembers its figures."""

    figures: list[dict[str, float]] = field(default_factory=list)

    def advance(self, amount: int = 1, **figures: float) -> None:
        self.figures += [figures] * amount


@dataclass
class Quiet:
    """Progress that remembers what it was told."""

    notes: list[str] = field(default_factory=list)
    tasks: dict[str, Ticks] = field(default_factory=dict)

    @contextmanager
    def task(self, name: str, total: int, *, done: int = 0, unit: str = "") -> Iterator[Task]:
        assert 0 <= done <= total, unit
        self.tasks[name] = Ticks()
        yield self.tasks[name]

    def note(self, text: str) -> None:
        self.notes.append(text)


def walk(start: float, action: float) -> tuple[float, float, bool]:
    """Next place, reward and whether the middle is reached."""
    place = start + 0.5 * float(np.clip(action, -1, 1))
    return place, -abs(place), abs(place) < 0.25


def start_of(seed: int) -> float:
    return float(np.random.default_rng(seed).uniform(1, 4)) * (1 if seed % 2 else -1)


@dataclass
class Corridor(Session):
    """Walkers on a line; observations are place and speed."""

    limit: int | None
    places: list[float] = field(default_factory=list)
    speeds: list[float] = field(default_factory=list)
    steps: int = 0
    closed: bool = False

    def reset(self, seeds: Sequence[int]) -> NDArray[np.float32]:
        self.places = [start_of(seed) for seed in seeds]
        self.speeds = [0.0] * len(seeds)
        return self._seen()

    def step(self, actions: NDArray[np.float32]) -> Transition:
        assert actions.shape == (len(self.places), 1)
        assert actions.dtype == np.float32
        assert (np.abs(actions) <= 1).all()
        done = [walk(place, action) for place, action in zip(self.places, actions[:, 0], strict=True)]
        self.speeds = [new[0] - old for new, old in zip(done, self.places, strict=True)]
        self.places = [place for place, _, _ in done]
        self.steps += 1
        reached = np.array([there for _, _, there in done], dtype=np.bool_)
        late = np.full(len(done), self.steps == self.limit) & ~reached
        rewards = np.array([reward for _, reward, _ in done], dtype=np.float32)
        return Transition(self._seen(), rewards, reached, late, reached)

    def keep(self, rows: NDArray[np.int64]) -> None:
        self.places = [self.places[row] for row in rows]
        self.speeds = [self.speeds[row] for row in rows]

    def close(self) -> None:
        self.closed = True

    def _seen(self) -> NDArray[np.float32]:
        return np.array([self.places, self.speeds], dtype=np.float32).T.reshape(-1, 2)


class CorridorEnvironment(Environment):
    def __init__(self, limit: int | None = 12, width: int = 2) -> None:
        self.id = "Corridor-v0"
        self.observation_width = width
        self.action_low, self.action_high = np.array([-1], np.float32), np.array([1], np.float32)
        self.step_limit = limit
        self.reports_success = True
        self.sessions: list[Corridor] = []
        self.closed = 0

    def session(self, batch: int) -> Corridor:
        assert batch > 0
        self.sessions.append(Corridor(self.step_limit))
        return self.sessions[-1]

    def close(self) -> None:
        assert all(session.closed for session in self.sessions)
        self.closed += 1

    def floor_plan(self) -> FloorPlan:
        return FloorPlan([(5.0, 0.0)], 1.0, (0, 1))


class CorridorEnvironmentConfig(EnvironmentConfig):
    kind: Literal["corridor"] = "corridor"
    limit: int | None = 12
    width: int = 2

    def build(self, source: DataSource) -> Environment:
        return CorridorEnvironment(self.limit, self.width)


class Homing(Actor):
    """Walks to the middle; deterministic."""

    def act(self, observations: NDArray[np.float32]) -> NDArray[np.float32]:
        return np.clip(-2 * observations[:, :1], -1, 1).astype(np.float32)

    def observe(self, rewards: NDArray[np.float32]) -> None:
        pass

    def keep(self, rows: NDArray[np.int64]) -> None:
        pass


class HomingPolicy(Policy):
    def start(self, batch: int, seed: int) -> Actor:
        return Homing()


class HomingConfig(BaselineConfig):
    kind: Literal["homing"] = "homing"

    def build(
        self, source: DataSource, environment: Environment, *, learner: Learner | None, critic: Critic | None
    ) -> Policy:
        return HomingPolicy()


def episode(seed: int, longest: int = 12) -> Episode:
    """A walk with noise, from a start of its own."""
    random = np.random.default_rng(seed)
    place, speed = start_of(seed), 0.0
    steps: list[tuple[float, float, float, float]] = []
    there = False
    while not there and len(steps) < longest:
        action = float(np.clip(-place + random.normal(0, 0.5), -1, 1))
        after, reward, there = walk(place, action)
        steps.append((place, speed, action, reward))
        place, speed = after, after - place
    columns = np.array(steps, dtype=np.float32)
    return Episode(columns[:, :2], columns[:, 2:3], columns[:, 3], terminated=there)


@dataclass(frozen=True)
class CorridorSource(DataSource):
    recorded: list[Episode]
    sha256: str = "corridor"

    def episodes(self) -> list[Episode]:
        return self.recorded

    @property
    def provenance(self) -> Provenance:
        return Provenance("corridor", self.sha256)

    @property
    def environment(self) -> EnvironmentSpec | None:
        return None

    @property
    def rule(self) -> ObservationRule:
        return ObservationRule()

    def behaviour(self) -> Policy | None:
        return None


class CorridorData(DataConfig):
    kind: Literal["corridor"] = "corridor"
    episodes: int = Field(default=30)
    spoiled: bool = False

    def build(self, *, seed: int, progress: Progress) -> DataSource:
        recorded = [episode(1000 * (seed % 7919) + index) for index in range(self.episodes)]
        if self.spoiled:
            recorded[3].rewards[1] = np.nan
        return CorridorSource(recorded)


def tiny_recipe(**changes: Any) -> Recipe:  # noqa: ANN401
    """A recipe of toy and real parts that runs in a second; sections are replaced by name."""
    sections: dict[str, Any] = {
        "name": "tiny",
        "device": "cpu",
        "data": CorridorData(),
        "discretizer": QuantileConfig(bins=12),
        "model": GPTConfig(layers=1, heads=1, width=8, context=3),
        "training": TrainingConfig(
            steps=12,
            batch_size=8,
            learning_rate=0.01,
            log_every=5,
            validate_every=6,
            checkpoint_every=6,
            validation_fraction=0.2,
        ),
        "decoder": BeamSearchConfig(horizon=3, beam_width=2, expand=2, context=3),
        "environment": CorridorEnvironmentConfig(),
        "evaluation": EvaluationConfig(episodes=5, batch=3, trajectories=2),
        "baselines": [HomingConfig()],
        "reporters": [JsonLinesConfig()],
    }
    return Recipe(**(sections | changes))


def corridor_rows(first: int = 0, count: int = 30) -> Rows:
    """Rows of walks, D = 5."""
    return make_rows([episode(first + index) for index in range(count)], Layout(2, 1), CorridorData())


def fitted(rows: Rows, bins: int = 12) -> Discretizer:
    discretizer = QuantileConfig(bins=bins).build(rows.layout)
    discretizer.fit(torch.from_numpy(rows.values))
    return discretizer


def windows(rows: Rows, discretizer: Discretizer, context: int = 3) -> Windows:
    tokens = discretizer.encode(torch.from_numpy(rows.values)).numpy()
    return Windows(tokens, rows, stop=discretizer.stop, context=context, stride=1)
