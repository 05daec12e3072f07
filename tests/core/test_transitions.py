"""Transitions equal what the obvious loop gives, whatever the stride, the end and the rewards."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Literal

import numpy as np
import pytest
import torch

from ttf.component import DataConfig
from ttf.errors import DataError
from ttf.interfaces.data import Episode
from ttf.section import SubgoalConfig
from ttf.transitions import make_transitions

if TYPE_CHECKING:
    from ttf.interfaces.data import DataSource
    from ttf.interfaces.progress import Progress

Row = tuple[list[float], list[float], float, list[float] | None, float]


class Recorded(DataConfig):
    """A data section; only how transitions are made of it counts here."""

    kind: Literal["recorded"] = "recorded"

    def build(self, *, seed: int, progress: Progress) -> DataSource:
        raise NotImplementedError


def episode(length: int, *, terminated: bool, final: bool, seed: int = 0) -> Episode:
    random = np.random.default_rng([seed, length])
    observations = random.normal(size=(length + 1, 2)).astype(np.float32)
    actions, rewards = random.normal(size=(length, 1)), random.normal(size=length)
    return Episode(
        observations[:-1],
        actions.astype(np.float32),
        rewards.astype(np.float32),
        terminated=terminated,
        final_observation=observations[-1] if final else None,
    )


def obvious(one: Episode, config: DataConfig) -> list[Row]:
    """A transition from every step whose end was seen or is a termination; None for an observation that never was."""
    rewards = [config.reward_scale * float(reward) + config.reward_shift for reward in one.rewards]
    if one.terminated and config.terminal_penalty is not None:
        rewards[-1] = config.terminal_penalty
    seen = [list(map(float, row)) for row in one.observations]
    if one.final_observation is not None:
        seen.append(list(map(float, one.final_observation)))
    rows: list[Row] = []
    for start in range(len(one)):
        end = start + config.stride
        over = one.terminated and end >= len(one)
        if not over and end >= len(seen):
            continue
        earned = sum(config.discount**k * reward for k, reward in enumerate(rewards[start:end]))
        discount = 0.0 if over else config.discount**config.stride
        steps = one.actions[start : start + 1 if config.stride_action == "first" else end]
        action = [float(sum(map(float, column)) / len(steps)) for column in steps.T]
        rows.append((seen[start], action, earned, None if over else seen[end], discount))
    return rows


CONFIGS = [
    Recorded(
        discount=0.9,
        stride=stride,
        reward_scale=scale,
        reward_shift=shift,
        terminal_penalty=penalty,
        stride_action="mean" if stride % 2 else "first",
    )
    for stride in (1, 2, 3, 4, 7)
    for scale, shift, penalty in ((1.0, 0.0, None), (0.5, -1.0, None), (2.0, 0.25, -100.0))
]


@pytest.mark.parametrize("config", CONFIGS, ids=lambda c: f"stride {c.stride}, penalty {c.terminal_penalty}")
def test_transitions_are_those_of_the_obvious_loop(config: DataConfig) -> None:
    episodes = [
        episode(length, terminated=terminated, final=final)
        for length in (1, 2, 3, 8)
        for terminated in (False, True)
        for final in (False, True)
    ]
    expected = [row for one in episodes for row in obvious(one, config)]
    made = make_transitions(episodes, config)
    assert {tensor.dtype for tensor in made[:5]} == {torch.float32}
    assert made.later is None
    assert len(made.rewards) == len(expected) > 0
    for index, (seen, action, earned, following, discount) in enumerate(expected):
        assert made.observations[index].tolist() == seen
        assert made.actions[index].tolist() == pytest.approx(action, rel=1e-6, abs=1e-7)
        assert float(made.rewards[index]) == pytest.approx(earned, rel=1e-6)
        assert float(made.discounts[index]) == pytest.approx(discount, rel=1e-6)
        assert following is None or made.next_observations[index].tolist() == following
    assert made.next_observations.isfinite().all()


@pytest.mark.parametrize("steps", [1, 3, 20])
@pytest.mark.parametrize("stride", [1, 2])
def test_what_comes_later_is_that_of_so_many_steps_or_of_the_end(steps: int, stride: int) -> None:
    config = Recorded(discount=0.9, stride=stride, reward_shift=-1.0, subgoal=SubgoalConfig(dims=[0], steps=steps))
    episodes = [
        episode(length, terminated=terminated, final=final)
        for length in (3, 8)
        for terminated in (False, True)
        for final in (False, True)
    ]
    made = make_transitions(episodes, config)
    plain = make_transitions(episodes, config.model_copy(update={"subgoal": None}))
    assert all(torch.equal(one, other) for one, other in zip(made[:5], plain[:5], strict=True))
    later, row = made.later, 0
    assert later is not None
    for one in episodes:
        seen = [*one.observations, *([one.final_observation] if one.final_observation is not None else [])]
        for start in range(len(obvious(one, config))):
            end = min(start + steps, len(one) if one.terminated else len(seen) - 1)
            over = one.terminated and end == len(one)
            earned = sum(0.9**k * (float(reward) - 1) for k, reward in enumerate(one.rewards[start:end]))
            assert float(later.rewards[row]) == pytest.approx(earned, rel=1e-5)
            assert float(later.discounts[row]) == pytest.approx(0.0 if over else 0.9 ** (end - start), rel=1e-6)
            if not over:
                assert later.observations[row].tolist() == seen[end].tolist()
            row += 1
    assert row == len(later.rewards)


def test_a_truncated_episode_without_its_last_observation_has_a_transition_less() -> None:
    one = episode(5, terminated=False, final=True)
    counts = [len(make_transitions([each], Recorded()).rewards) for each in (one, replace(one, final_observation=None))]
    assert counts == [5, 4]


def test_what_comes_after_a_termination_counts_nothing() -> None:
    made = make_transitions([episode(4, terminated=True, final=False)], Recorded(discount=0.9, stride=2))
    assert made.discounts.tolist() == pytest.approx([0.81, 0.81, 0.0, 0.0])


def test_episodes_no_longer_than_the_stride_are_one_clear_line() -> None:
    short = [episode(3, terminated=False, final=False), episode(2, terminated=False, final=True)]
    with pytest.raises(DataError) as error:
        make_transitions(short, Recorded(stride=3))
    assert str(error.value) == "no episode is longer than data.stride, 3: there is no transition to learn from"
