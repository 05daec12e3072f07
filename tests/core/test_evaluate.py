"""Episodes are run one per seed, counted right, and do not depend on what runs beside them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import pytest
from tests.core.toys import Corridor, CorridorEnvironment, HomingPolicy, Quiet, start_of, walk

from ttf.errors import DataError
from ttf.evaluate import EpisodeRecord, evaluate, evaluation_seeds
from ttf.interfaces.environment import Transition
from ttf.interfaces.policy import Actor, Policy
from ttf.sections import EvaluationConfig

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass
class Lazy(Actor):
    """Goes home at a tenth of the speed, and checks that it is told of exactly the running episodes."""

    batch: int
    seed: int
    told: list[int] = field(default_factory=list)
    imagine: bool = False

    def act(self, observations: NDArray[np.float32]) -> NDArray[np.float32]:
        assert len(observations) == self.batch
        self.imagined = np.repeat(observations[:, None], 2, axis=1) if self.imagine else None
        return np.sign(-observations[:, :1]).astype(np.float32) * np.float32(0.4)

    def observe(self, rewards: NDArray[np.float32]) -> None:
        assert rewards.shape == (self.batch,)
        self.told.append(self.batch)

    def keep(self, rows: NDArray[np.int64]) -> None:
        assert (np.diff(rows) > 0).all()
        self.batch = len(rows)


@dataclass
class LazyPolicy(Policy):
    imagine: bool = False
    actors: list[Lazy] = field(default_factory=list)

    def start(self, batch: int, seed: int) -> Actor:
        self.actors.append(Lazy(batch, seed, imagine=self.imagine))
        return self.actors[-1]


def run(
    policy: Policy, environment: CorridorEnvironment, seed: int = 0, name: str = "p", **fields: int
) -> list[EpisodeRecord]:
    config = EvaluationConfig(**({"episodes": 11, "batch": 4, "trajectories": 3} | fields))
    return evaluate(policy, environment, config, seed=seed, name=name, progress=Quiet())


def alone(seed: int, limit: int) -> tuple[float, int, bool, list[float]]:
    """Return, steps, success and places of an episode of the lazy policy."""
    place, total, there = start_of(seed), 0.0, False
    places = [place]
    while not there and len(places) <= limit:
        place, reward, there = walk(place, -np.sign(np.float32(place)) * np.float32(0.4))
        total += float(np.float32(reward))
        places.append(place)
    return total, len(places) - 1, there, places


@pytest.mark.parametrize("batch", [1, 3, 4, 11, 50])
def test_every_episode_is_what_it_would_be_alone(batch: int) -> None:
    environment = CorridorEnvironment(limit=14)
    records = run(LazyPolicy(), environment, batch=batch)
    assert [record.seed for record in records] == evaluation_seeds(0, 11)
    assert [record.episode for record in records] == list(range(11))
    for record in records:
        total, steps, there, places = alone(record.seed, 14)
        assert record.total == pytest.approx(total)
        assert (record.steps, record.success) == (steps, there)
        assert (record.terminated, record.truncated) == (there, not there)
        if record.episode < 3:
            np.testing.assert_allclose(np.stack(record.observations)[:, 0], places, rtol=1e-6)
        else:
            assert record.observations == []
    assert {record.success for record in records} == {True, False}
    assert all(session.closed for session in environment.sessions)
    assert len(environment.sessions) == -(-11 // batch)


def test_ended_episodes_drop_out_of_the_batch() -> None:
    policy = LazyPolicy()
    records = run(policy, CorridorEnvironment(limit=14), batch=11)
    expected = [sum(record.steps > step for record in records) for step in range(max(r.steps for r in records))]
    assert policy.actors[0].told == expected
    assert len(set(expected)) > 3


def test_seeds_are_the_same_for_all_policies_and_their_randomness_is_not() -> None:
    lazy, other = LazyPolicy(), LazyPolicy()
    first = run(lazy, CorridorEnvironment(), name="lazy")
    second = run(other, CorridorEnvironment(), name="other")
    assert [record.seed for record in first] == [record.seed for record in second]
    seeds = [actor.seed for policy in (lazy, other) for actor in policy.actors]
    assert len(set(seeds)) == 6
    again = LazyPolicy()
    run(again, CorridorEnvironment(), name="lazy")
    assert [actor.seed for actor in again.actors] == seeds[:3]


def test_max_steps_cuts_episodes_off() -> None:
    records = run(LazyPolicy(), CorridorEnvironment(limit=None), max_steps=5)
    for record in records:
        _, steps, there, _ = alone(record.seed, 5)
        assert (record.steps, record.terminated, record.truncated) == (steps, there, not there)
    assert max(record.steps for record in records) == 5


def test_an_episode_that_ends_at_the_limit_is_not_cut_off() -> None:
    steps = {record.steps for record in run(HomingPolicy(), CorridorEnvironment(limit=None), max_steps=1000)}
    for limit in steps:
        for record in run(HomingPolicy(), CorridorEnvironment(limit=None), max_steps=limit):
            assert record.terminated != record.truncated
            assert record.success == record.terminated


def test_plans_are_kept_with_the_step_they_were_made_at() -> None:
    records = run(LazyPolicy(imagine=True), CorridorEnvironment(limit=3))
    arrays = records[0].arrays("lazy")
    assert sorted(arrays) == ["lazy/0/actions", "lazy/0/observations", *(f"lazy/0/plan/{step}" for step in range(3))]
    assert arrays["lazy/0/observations"].shape == (4, 2)
    for step in range(3):
        np.testing.assert_array_equal(arrays[f"lazy/0/plan/{step}"], [arrays["lazy/0/observations"][step]] * 2)
    assert records[5].arrays("lazy") == {}


def test_a_line_of_an_episode_says_all_about_it() -> None:
    record = EpisodeRecord(3, 77, total=-1.5, steps=4, success=True, terminated=True)
    line = {"policy": "p", "episode": 3, "seed": 77, "return": -1.5, "steps": 4, "success": True}
    assert record.as_json("p", reports_success=True) == {**line, "terminated": True, "truncated": False}
    assert record.as_json("p", reports_success=False)["success"] is None


class Broken(Corridor):
    """Returns something that is not finite in its third step."""

    spoil = ""

    def step(self, actions: NDArray[np.float32]) -> Transition:
        result = super().step(actions)
        if self.steps == 3:
            getattr(result, self.spoil)[0] = np.nan
        return result


@pytest.mark.parametrize(("name", "attribute"), [("observation", "observations"), ("reward", "rewards")])
def test_what_is_not_finite_is_reported_and_the_environments_are_closed(name: str, attribute: str) -> None:
    class BrokenEnvironment(CorridorEnvironment):
        def session(self, batch: int) -> Corridor:
            assert batch
            self.sessions.append(Broken(None))
            self.sessions[-1].spoil = attribute  # type: ignore[attr-defined]  # a broken one
            return self.sessions[-1]

    environment = BrokenEnvironment()
    with pytest.raises(DataError) as error:
        run(LazyPolicy(), environment)
    assert str(error.value) == f"environment 'Corridor-v0' returned a {name} that is not finite"
    assert [session.closed for session in environment.sessions] == [True]


def test_progress_counts_every_episode_once() -> None:
    progress, config = Quiet(), EvaluationConfig(episodes=11, batch=4)
    evaluate(LazyPolicy(), CorridorEnvironment(), config, seed=0, name="lazy", progress=progress)
    assert {name: len(ticks.figures) for name, ticks in progress.tasks.items()} == {"evaluating lazy": 11}
