"""A small world to test with: walkers on a line, recorded episodes, and a policy that walks to the middle.

Observations are place and speed, the action is a push; a reward is minus the distance from the middle.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, Literal, final

import numpy as np
from pydantic import Field

from ttf.component import BaselineConfig, DataConfig, EnvironmentConfig
from ttf.episode_hash import content_hash
from ttf.interfaces.data import DataSource, EnvironmentSpec, Episode, Provenance
from ttf.interfaces.environment import Environment, FloorPlan, Session, Transition
from ttf.interfaces.policy import Actor, Policy
from ttf.observations import ObservationRule

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from ttf.interfaces.critic import Critic
    from ttf.interfaces.learner import Learner
    from ttf.interfaces.progress import Progress


def walk(start: float, action: float) -> tuple[float, float, bool]:
    """Next place, reward and whether the middle is reached."""
    place = start + 0.5 * float(np.clip(action, -1, 1))
    return place, -abs(place), abs(place) < 0.25


def start_of(seed: int) -> float:
    """The first place of an episode."""
    return float(np.random.default_rng(seed).uniform(1, 4)) * (1 if seed % 2 else -1)


@dataclass
class Corridor(Session):
    """Walkers on a line; it takes actions within the bounds only."""

    limit: int | None
    places: list[float] = field(default_factory=list)
    speeds: list[float] = field(default_factory=list)
    steps: int = 0
    closed: bool = False

    def reset(self, seeds: Sequence[int]) -> NDArray[np.float32]:
        """Start an episode per seed; observations (B, 2)."""
        self.places = [start_of(seed) for seed in seeds]
        self.speeds = [0.0] * len(seeds)
        self.steps = 0
        return self._seen()

    def step(self, actions: NDArray[np.float32]) -> Transition:
        """Push the walkers with actions (B, 1)."""
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
        """Go on with these walkers only."""
        self.places = [self.places[row] for row in rows]
        self.speeds = [self.speeds[row] for row in rows]

    def close(self) -> None:
        """Remember that it was closed."""
        self.closed = True

    def _seen(self) -> NDArray[np.float32]:
        return np.array([self.places, self.speeds], dtype=np.float32).T.reshape(-1, 2)


class CorridorEnvironment(Environment):
    """Corridors; remembers its sessions and how often it was closed."""

    def __init__(self, limit: int | None = 12, width: int = 2) -> None:
        self.id, self.options = "Corridor-v0", {"limit": limit}
        self.observation_width = width
        self.action_low, self.action_high = np.array([-1], np.float32), np.array([1], np.float32)
        self.step_limit = limit
        self.reports_success = True
        self.sessions: list[Corridor] = []
        self.closed = 0

    def session(self, batch: int) -> Corridor:
        """Make ``batch`` walkers."""
        assert batch > 0
        self.sessions.append(Corridor(self.step_limit))
        return self.sessions[-1]

    def close(self) -> None:
        """Count; all sessions must be closed before."""
        assert all(session.closed for session in self.sessions)
        self.closed += 1

    def floor_plan(self) -> FloorPlan:
        """A wall beyond the right end."""
        return FloorPlan([(5.0, 0.0)], 1.0, (0, 1))


@final
class CorridorEnvironmentConfig(EnvironmentConfig):
    """Walk along a line."""

    kind: Literal["corridor"] = "corridor"

    limit: Annotated[int, Field(ge=1)] | None = 12
    """Steps after which an episode is cut off."""

    width: Annotated[int, Field(ge=1)] = 2
    """What it says of the width of its observations."""

    def build(self, source: DataSource) -> Environment:  # noqa: ARG002  (there is one corridor only)
        """Make the environment."""
        return CorridorEnvironment(self.limit, self.width)


@final
class Homing(Actor):
    """Walks to the middle; deterministic."""

    def act(self, observations: NDArray[np.float32]) -> NDArray[np.float32]:
        """Actions (B, 1)."""
        return np.clip(-2 * observations[:, :1], -1, 1).astype(np.float32)

    def observe(self, rewards: NDArray[np.float32]) -> None:
        """Rewards change nothing."""

    def keep(self, rows: NDArray[np.int64]) -> None:
        """Rows are all alike."""


@final
class HomingPolicy(Policy):
    """Walks to the middle."""

    def start(self, batch: int, seed: int) -> Actor:  # noqa: ARG002  (nothing is random, rows are all alike)
        """An actor."""
        return Homing()


@final
class HomingConfig(BaselineConfig):
    """Walk to the middle."""

    kind: Literal["homing"] = "homing"

    def build(
        self,
        source: DataSource,  # noqa: ARG002  (needs nothing of all this)
        environment: Environment,  # noqa: ARG002
        *,
        learner: Learner | None,  # noqa: ARG002
        critic: Critic | None,  # noqa: ARG002
    ) -> Policy:
        """Make the policy."""
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


@final
@dataclass(frozen=True)
class CorridorSource(DataSource):
    """Recorded walks."""

    recorded: list[Episode]
    sha256: str
    dims: tuple[int, ...] | None = None

    def episodes(self) -> list[Episode]:
        """All walks."""
        return self.recorded

    @property
    def provenance(self) -> Provenance:
        """Their hash."""
        return Provenance("corridor", self.sha256)

    @property
    def environment(self) -> EnvironmentSpec | None:
        """No registered one."""
        return None

    @property
    def rule(self) -> ObservationRule:
        """Which dimensions are kept."""
        return ObservationRule(dims=self.dims)

    def behaviour(self) -> Policy | None:
        """Homing, where the place is still the first dimension."""
        return HomingPolicy() if self.dims is None else None


@final
class CorridorConfig(DataConfig):
    """Record walks along a line."""

    kind: Literal["corridor"] = "corridor"

    episodes: Annotated[int, Field(ge=2, le=10_000)] = 30
    """Walks to record."""

    def build(self, *, seed: int = 0, progress: Progress | None = None) -> DataSource:  # noqa: ARG002  (it is quick)
        """Record the walks."""
        recorded = [episode(1000 * (seed % 7919) + index) for index in range(self.episodes)]
        dims = tuple(self.observation_dims) if self.observation_dims is not None else None
        if dims is not None:
            recorded = [Episode(e.observations[:, dims], e.actions, e.rewards, e.terminated) for e in recorded]
        return CorridorSource(recorded, content_hash(recorded), dims)
