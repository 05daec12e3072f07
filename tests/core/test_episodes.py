"""Rows, values, splits and windows equal what the obvious loops give."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from ttf.component import DataConfig
from ttf.episodes import Rows, Windows, make_rows, returns_after, split, tokenise
from ttf.errors import DataError
from ttf.interfaces.data import Episode
from ttf.interfaces.discretizer import Discretizer
from ttf.layout import Layout

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from ttf.interfaces.data import DataSource
    from ttf.interfaces.progress import Progress

LAYOUT = Layout(observation=2, action=1)


class Recorded(DataConfig):
    """A data section; only how rows are made of it counts here."""

    kind: Literal["recorded"] = "recorded"

    def build(self, *, seed: int, progress: Progress) -> DataSource:
        raise NotImplementedError


def episode(length: int, *, terminated: bool = False, seed: int = 0) -> Episode:
    random = np.random.default_rng(seed)
    observations, actions = random.normal(size=(length, 2)), random.normal(size=(length, 1))
    rewards = random.normal(size=length)
    return Episode(
        observations.astype(np.float32), actions.astype(np.float32), rewards.astype(np.float32), terminated=terminated
    )


class Rounding(Discretizer):
    """A value's token is the value itself."""

    def __init__(self, layout: Layout, bins: int) -> None:
        super().__init__(layout, bins)
        self.register_buffer("live", torch.ones(layout.width, bins, dtype=torch.bool))

    def fit(self, rows: Tensor) -> None:
        raise NotImplementedError

    def encode(self, values: Tensor, at: int = 0) -> Tensor:
        return values.long()

    def decode(self, tokens: Tensor, at: int = 0) -> Tensor:
        return tokens.float()

    def expectation(self, probabilities: Tensor, at: int) -> Tensor:
        raise NotImplementedError

    def widths(self) -> Tensor:
        raise NotImplementedError

    def outside(self, values: Tensor, at: int = 0) -> Tensor:
        raise NotImplementedError


@given(st.lists(st.floats(-10, 10), min_size=1, max_size=20), st.floats(0.1, 1))
def test_the_value_is_the_discounted_sum_of_later_rewards_without_its_own(
    rewards: list[float], discount: float
) -> None:
    values = returns_after(np.array(rewards), discount)
    for t in range(len(rewards)):
        expected = sum(discount ** (k - 1) * rewards[t + k] for k in range(1, len(rewards) - t))
        assert values[t] == pytest.approx(expected, rel=1e-9, abs=1e-9)


def test_a_row_is_observation_action_reward_value() -> None:
    one = episode(3)
    rows = make_rows([one], LAYOUT, Recorded(discount=0.5))
    r = one.rewards
    values = [r[1] + 0.5 * r[2], r[2], 0.0]
    expected = np.column_stack([one.observations, one.actions, r, values])
    np.testing.assert_allclose(rows.values, expected, rtol=1e-6)


@pytest.mark.parametrize("stride", [1, 2, 3, 9])
def test_the_action_of_a_transition_may_be_the_mean_of_its_steps_actions(stride: int) -> None:
    one = episode(5)
    rows = make_rows([one], LAYOUT, Recorded(stride=stride, stride_action="mean"))
    means = [np.mean(one.actions[t : t + stride], dtype=np.float64) for t in range(5)]
    np.testing.assert_allclose(rows.values[:, 2], means, rtol=1e-6)
    first = make_rows([one], LAYOUT, Recorded(stride=stride))
    np.testing.assert_array_equal(first.values[:, 2], one.actions[:, 0])


def test_the_terminal_penalty_replaces_the_last_reward_before_values_are_computed() -> None:
    rows = make_rows([episode(2, terminated=True), episode(2)], LAYOUT, Recorded(discount=1.0, terminal_penalty=-100.0))
    assert rows.values[1, LAYOUT.reward] == -100.0
    assert rows.values[0, LAYOUT.value] == -100.0
    assert rows.values[3, LAYOUT.reward] == episode(2).rewards[1]


@pytest.mark.parametrize(("step", "penalty"), [(0, None), (3, -1e39)])
def test_sums_of_rewards_that_float32_cannot_hold_are_refused_with_their_place(
    step: int, penalty: float | None
) -> None:
    big = episode(5, terminated=True)
    big.rewards[1:3] = 3e38 if penalty is None else 0
    expected = f"episode 1, step {step}: value is beyond float32; scale the rewards down"
    with pytest.raises(DataError, match=f"^{expected}$"):
        make_rows([episode(3), big], LAYOUT, Recorded(terminal_penalty=penalty, discount=1e-5 if penalty else 0.9))


def test_whole_episodes_are_held_out_and_none_is_lost() -> None:
    rows = make_rows([episode(2 + i, seed=i) for i in range(10)], LAYOUT, Recorded())
    training, held_out = map(rows.select, split(10, 0.25, seed=3))
    assert len(training.lengths) == 7
    assert len(held_out.lengths) == 3
    together = np.concatenate([training.values, held_out.values])
    assert sorted(map(tuple, together.tolist())) == sorted(map(tuple, rows.values.tolist()))


def test_some_episode_always_stays_to_be_trained_on() -> None:
    training, held_out = split(3, 0.99, seed=3)
    assert (len(training), len(held_out)) == (1, 2)


def test_a_single_episode_cannot_be_split() -> None:
    with pytest.raises(DataError, match=r"a single episode to learn from; set training.validation_fraction to 0"):
        split(1, 0.1, seed=0)


def no_goals(episodes: int) -> NDArray[np.float32]:
    return np.zeros((episodes, 0), dtype=np.float32)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(st.integers(2, 9), st.booleans()), min_size=1, max_size=5),
    st.integers(1, 5),
    st.integers(1, 3),
)
def test_windows_are_what_a_loop_over_episodes_gives(shapes: list[tuple[int, bool]], context: int, stride: int) -> None:
    lengths, terminated = zip(*shapes, strict=True)
    count, width, stop = sum(lengths), LAYOUT.width, 100
    values = np.arange(count * width).reshape(count, width).astype(np.float32) % stop
    rows = Rows(LAYOUT, values, np.array(lengths), np.array(terminated), no_goals(len(lengths)))
    goals = np.random.default_rng(count).integers(0, 100, size=(len(lengths), count % 3))
    windows = Windows(
        values.astype(np.uint8), rows, stop=stop, context=context, stride=stride, goals=goals if count % 3 else None
    )
    expected = []
    for e, length in enumerate(lengths):
        first = sum(lengths[:e])
        for start in range(length - 1):
            tokens: list[int] = []
            mask: list[bool] = []
            for step in range(start, start + context * stride, stride):
                inside = step < length
                tokens += values[first + step].astype(int).tolist() if inside else [stop] * width
                mask += [inside or terminated[e]] * width
            expected.append((goals[e].tolist(), tokens[:-1], tokens[1:], mask[1:]))
    batch = windows.batch(np.arange(len(windows)))
    assert list(zip(*(tensor.tolist() for tensor in batch), strict=True)) == expected


def test_tokens_on_disk_are_those_of_the_discretizer(tmp_path: Path) -> None:
    values = np.random.default_rng(0).integers(0, 300, size=(70_000, LAYOUT.width)).astype(np.float32)
    rows = Rows(LAYOUT, values, np.array([70_000]), np.array([False]), no_goals(1))
    tokens = tokenise(rows, Rounding(LAYOUT, 300), tmp_path / "tokens" / "training.npy")
    np.testing.assert_array_equal(tokens, values.astype(np.int64))
    assert isinstance(tokens, np.memmap)
    assert [path.name for path in (tmp_path / "tokens").iterdir()] == ["training.npy"]
