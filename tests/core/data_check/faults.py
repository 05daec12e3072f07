"""Faults that are planted into good data, each by what the check should call it."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from tests.core.data_check.planted import LIMIT, good

from ttf.interfaces.data import Episode
from ttf.sections import EvaluationConfig, TrainingConfig
from ttf_plugins.gpt import GPTConfig
from ttf_plugins.gymnasium import GymnasiumConfig
from ttf_plugins.quantile import QuantileConfig
from ttf_plugins.uniform import UniformConfig

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

WINDOW = {"model": GPTConfig(context=40), "discretizer": QuantileConfig(), "training": TrainingConfig()}


@dataclass(frozen=True)
class Fault:
    """A bad data set, or a good one that does not fit the recipe."""

    name: str
    """Of the finding, and ``/`` and more where several faults have it."""

    plant: Callable[[], list[Episode]] = good
    place: str | None = "Pendulum-v1"
    sections: dict[str, Any] = field(default_factory=dict)


def _spoiled() -> list[Episode]:
    episodes = good()
    episodes[3].observations[17, 2] = np.nan
    episodes[3].rewards[4] = np.inf
    episodes[8].observations[0] = np.nan
    return episodes


def _single_steps() -> list[Episode]:
    return [
        Episode(one.observations[i : i + 1], one.actions[i : i + 1], one.rewards[i : i + 1], terminated=True)
        for one in good(2)
        for i in range(len(one))
    ]


def _some_single_steps() -> list[Episode]:
    return [*good(), *_single_steps()[:2]]


def _wider() -> list[Episode]:
    episodes = good()
    wide = np.pad(episodes[5].observations, ((0, 0), (0, 1)))
    episodes[5] = replace(episodes[5], observations=wide, final_observation=None)
    return episodes


def _shorter_actions() -> list[Episode]:
    episodes = good()
    episodes[2] = replace(episodes[2], actions=episodes[2].actions[:-1])
    return episodes


def _cut(episodes: list[Episode], steps: int, *, terminated: bool) -> list[Episode]:
    """The episodes that are long enough, cut off after as many steps."""
    return [
        Episode(one.observations[:steps], one.actions[:steps], one.rewards[:steps], terminated)
        for one in episodes
        if len(one) >= steps
    ]


def _joined() -> list[Episode]:
    """All episodes as one, as where no ends are recorded."""
    return [_joint(good())]


def _joint(episodes: list[Episode]) -> Episode:
    parts = {n: np.concatenate([getattr(e, n) for e in episodes]) for n in ("observations", "actions", "rewards")}
    return Episode(**parts, terminated=episodes[-1].terminated)


def _two_joined() -> list[Episode]:
    first, second, *others = good()
    return [_joint([first, second]), *others]


def _copied() -> list[Episode]:
    episodes = good()
    return [*episodes, *episodes[10:40]]


def _with_actions(change: Callable[[Any], Any]) -> list[Episode]:
    return [replace(one, actions=change(one.actions).astype(np.float32)) for one in good()]


def _with_rewards(change: Callable[[Any], Any]) -> list[Episode]:
    return [replace(one, rewards=change(one.rewards).astype(np.float32)) for one in good()]


def _with_column(column: Callable[[np.random.Generator, int], Any]) -> list[Episode]:
    """A fourth dimension of the observation."""
    random = np.random.default_rng(1)
    episodes = []
    for one in good():
        more = np.asarray(column(random, len(one) + 1), dtype=np.float32)[:, None]
        seen = np.concatenate([_seen(one), more], axis=1)
        episodes.append(replace(one, observations=seen[:-1], final_observation=seen[-1]))
    return episodes


def _late() -> list[Episode]:
    """Observations as they are after the action of their row."""
    return [replace(one, observations=_seen(one)[1:], final_observation=None) for one in good()]


def _seen(episode: Episode) -> NDArray[np.float32]:
    """Everything that was seen (T + 1, O)."""
    assert episode.final_observation is not None
    return np.vstack([episode.observations, episode.final_observation[None]])


def _early() -> list[Episode]:
    """Actions a row too early."""
    return [
        Episode(one.observations[:-1], one.actions[1:], one.rewards[:-1], one.terminated, one.observations[-1])
        for one in good()
    ]


def _shuffled() -> list[Episode]:
    random = np.random.default_rng(1)
    return [replace(one, observations=random.permutation(one.observations), final_observation=None) for one in good()]


def _repeated_start() -> list[Episode]:
    return [replace(one, observations=np.vstack([one.observations[:1], one.observations[:-1]])) for one in good()]


def _repeated_end() -> list[Episode]:
    return [replace(one, final_observation=one.observations[-1]) for one in good()]


def _doubled() -> list[Episode]:
    return [
        replace(
            one,
            observations=one.observations.repeat(2, axis=0)[1:],
            actions=one.actions.repeat(2, axis=0)[1:],
            rewards=one.rewards.repeat(2)[1:],
        )
        for one in good()
    ]


def _goal_at_the_end() -> list[Episode]:
    return [replace(one, rewards=np.eye(len(one), dtype=np.float32)[-1]) for one in good()]


def _at_the_limit() -> list[Episode]:
    return [replace(one, terminated=True) for one in good() if len(one) == LIMIT] + good(20, seed=1)


FAULTS = (
    Fault("empty", list),
    Fault("not-finite", _spoiled),
    Fault("too-short", _single_steps),
    Fault("too-short/some", _some_single_steps),
    Fault("malformed/widths", _wider),
    Fault("malformed/lengths", _shorter_actions),
    Fault("limits-as-terminations", _at_the_limit),
    Fault("limits-as-terminations/no-environment", lambda: _cut(good(), 100, terminated=True), place=None),
    Fault("missing-ends", _joined, place=None),
    Fault("missing-ends/limit", _two_joined),
    Fault("no-terminations", lambda: [replace(one, terminated=False) for one in good()]),
    Fault("reset-inside", _joined),
    Fault("duplicates", _copied),
    Fault("duplicates/few", lambda: [*good(), good()[7]]),
    Fault("few-transitions", lambda: good(20)),
    Fault("short-episodes", lambda: _cut(good(), 20, terminated=False), sections=WINDOW),
    Fault("constant", lambda: _with_column(lambda _, count: np.full(count, 7.0)), place=None),
    Fault("constant/action", lambda: _with_actions(np.ones_like)),
    Fault("constant/everything", lambda: [replace(e, observations=e.observations * 0) for e in good()]),
    Fault("coarse-floats", lambda: _with_column(lambda _, count: 1.7e9 + np.arange(count)), place=None),
    Fault("heavy-tails", lambda: _with_column(lambda random, count: random.standard_cauchy(count)), place=None),
    Fault(
        "heavy-tails/recipe",
        lambda: _with_column(lambda random, count: random.standard_cauchy(count)),
        place=None,
        sections={"discretizer": UniformConfig()},
    ),
    Fault(
        "dead-bins",
        lambda: _with_column(lambda random, count: random.normal(0, 0.5, count) + 20 * (np.arange(count) % 2)),
        place=None,
        sections={"discretizer": UniformConfig()},
    ),
    Fault("few-per-bin", sections={"discretizer": QuantileConfig(bins=2000)}),
    Fault("coarse-bins", sections={"discretizer": UniformConfig(bins=4)}),
    Fault("shuffled", _shuffled),
    Fault("repeated-start", _repeated_start),
    Fault("repeated-end", _repeated_end),
    Fault("repeated-observations", _doubled),
    Fault("shifted-actions/late", _late),
    Fault("shifted-actions/early", _early),
    Fault("actions-out-of-bounds", lambda: _with_actions(lambda actions: 3 * actions)),
    Fault("small-actions", lambda: _with_actions(lambda actions: actions / 100)),
    Fault("saturated-actions", lambda: _with_actions(lambda actions: np.clip(20 * actions, -2, 2))),
    Fault("saturated-actions/no-environment", lambda: _with_actions(lambda a: np.clip(20 * a, -2, 2)), place=None),
    Fault("constant-rewards", lambda: _with_rewards(np.zeros_like)),
    Fault("sparse-rewards", _goal_at_the_end),
    Fault("discount", _goal_at_the_end, sections={"data": {"discount": 0.95}}),
    Fault("discount/dense", sections={"data": {"discount": 0.8}}),
    Fault("refused", lambda: good(1), sections={"training": TrainingConfig()}),
    Fault("environment/none", place=None),
    Fault("environment/unknown", place="Pendulun-v1"),
    Fault("environment/other", place="MountainCarContinuous-v0"),
    Fault(
        "environment/recipe",
        sections={"environment": GymnasiumConfig(id="MountainCarContinuous-v0"), "evaluation": EvaluationConfig()},
    ),
)
