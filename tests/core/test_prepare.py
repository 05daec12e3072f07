"""Which of the episodes are learned from."""

from __future__ import annotations

import numpy as np
import pytest
from tests.core.toys import CorridorData, Quiet, tiny_recipe

from ttf.interfaces.data import Episode
from ttf.prepare import best, load_data


def with_return(value: float) -> Episode:
    """An episode of two steps."""
    rewards = np.array([value - 0.5, 0.5], dtype=np.float32)
    return Episode(np.zeros((2, 1), np.float32), np.zeros((2, 1), np.float32), rewards, terminated=False)


RETURNS = [3, 1, 5, 3, 4, 0, 3]


@pytest.mark.parametrize(
    ("fraction", "chosen"),
    [
        (1.0, [0, 1, 2, 3, 4, 5, 6]),
        (0.6, [0, 2, 3, 4]),  # 4.2 of 7; of three episodes with the same return the first two
        (0.3, [2, 4]),
        (0.01, [2]),
    ],
)
def test_the_best_episodes_are_those_with_the_highest_return(fraction: float, chosen: list[int]) -> None:
    episodes = [with_return(value) for value in RETURNS]
    numbers = {id(one): number for number, one in enumerate(episodes)}
    assert [numbers[id(one)] for one in best(episodes, fraction)] == chosen


def test_everything_is_learned_from_the_best_and_the_rest_is_neither_trained_nor_validated_on() -> None:
    recipe = tiny_recipe(data=CorridorData(best_fraction=0.4))
    data = load_data(recipe, Quiet())
    every = data.source.episodes()
    least = sorted(float(episode.rewards.sum()) for episode in every)[-12]
    assert len(every) == 30
    assert len(data.episodes) == len(data.rows.lengths) < 12
    assert len(data.rows.lengths) + len(data.held_out.lengths) == 12
    assert all(episode.rewards.sum() >= least for episode in data.episodes)
    kept = {len(episode) for episode in every if episode.rewards.sum() >= least}
    assert set(data.held_out.lengths.tolist()) <= kept
