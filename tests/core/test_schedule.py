"""The learning rate follows the facts of the published code, or its clamped version."""

from __future__ import annotations

import pytest

from ttf.schedule import make_schedule
from ttf.sections import TrainingConfig

WINDOWS, BLOCK = 1000, 10
EPOCH = WINDOWS * BLOCK


def rate(config: TrainingConfig, epochs: float) -> float:
    """The rate as a share of the peak."""
    return make_schedule(config, WINDOWS, BLOCK).rate(int(epochs * EPOCH)) / config.learning_rate


def test_the_published_schedule_restarts_by_accident() -> None:
    config = TrainingConfig(schedule="reference_cycle", steps=50, batch_size=WINDOWS)
    assert rate(config, 0.5) == pytest.approx(0.5)
    assert rate(config, 1) == pytest.approx(1.0)
    assert rate(config, 18) == pytest.approx(0.1, abs=0.005)
    assert rate(config, 22) == pytest.approx(0.1)
    assert rate(config, 39) == pytest.approx(1.0)
    assert rate(config, 50) == pytest.approx(0.38, abs=0.005)


def test_the_first_published_update_is_at_the_full_rate_and_later_ones_lag_by_one() -> None:
    schedule = make_schedule(TrainingConfig(schedule="reference_cycle", learning_rate=1e-3), WINDOWS, BLOCK)
    assert schedule.update_rate(0, 500) == 1e-3
    assert schedule.update_rate(500, 500) == schedule.rate(500)


def test_the_clamped_schedule_ends_at_a_tenth_and_stays() -> None:
    config = TrainingConfig(steps=100, batch_size=100)  # 10 epochs
    schedule = make_schedule(config, WINDOWS, BLOCK)
    assert schedule.warmup == EPOCH
    assert schedule.update_rate(0, EPOCH // 2) == pytest.approx(0.5 * config.learning_rate)
    assert rate(config, 10) == pytest.approx(0.1)
    assert rate(config, 30) == pytest.approx(0.1)


def test_a_short_training_warms_up_for_a_tenth_of_it() -> None:
    schedule = make_schedule(TrainingConfig(steps=10, batch_size=100), WINDOWS, BLOCK)
    assert schedule.warmup == 0.1 * 10 * 100 * BLOCK


def test_warmup_and_decay_can_be_given_in_updates() -> None:
    config = TrainingConfig(steps=100, batch_size=10, warmup_steps=5, decay_steps=50)
    schedule = make_schedule(config, WINDOWS, BLOCK)
    assert schedule.warmup == 5 * 10 * BLOCK
    assert schedule.final == 50 * 10 * BLOCK


def test_a_batch_larger_than_the_data_counts_as_the_data() -> None:
    config = TrainingConfig(steps=100, batch_size=5 * WINDOWS)
    assert make_schedule(config, WINDOWS, BLOCK).final == 100 * WINDOWS * BLOCK
