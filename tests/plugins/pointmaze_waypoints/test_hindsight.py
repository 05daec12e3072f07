"""A relabelled episode is one that the environment could have recorded with that goal."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

pytest.importorskip("gymnasium_robotics", reason="PointMaze is in the extra 'mujoco'")

from ttf.interfaces.data import EnvironmentSpec, Episode
from ttf.registered import make
from ttf_plugins.pointmaze_waypoints.hindsight import relabelled
from ttf_plugins.pointmaze_waypoints.waypoints import Columns

COLUMNS = Columns(position=(0, 1), velocity=(2, 3), goal=(4, 5))


def wander(steps: int, seed: int) -> Episode:
    """A random walk, which never comes to its own goal."""
    random = np.random.default_rng(seed)
    seen = random.normal(size=(steps + 1, 6)).astype(np.float32)
    seen[:, :2] = random.normal(scale=0.2, size=(steps + 1, 2)).cumsum(0)
    seen[:, 4:] = 100.0
    actions = random.normal(size=(steps, 2)).astype(np.float32)
    return Episode(seen[:-1], actions, np.zeros(steps, dtype=np.float32), terminated=False, final_observation=seen[-1])


def test_a_copy_has_the_rewards_and_the_end_that_the_environment_gives_its_goal() -> None:
    environment: Any = make(EnvironmentSpec("PointMaze_UMaze-v3", {"continuing_task": False})).unwrapped
    made = 0
    for seed in range(200):
        original = wander(30, seed)
        copy = relabelled(original, COLUMNS, np.random.default_rng(seed))
        if copy is None:
            continue
        made += 1
        assert copy.final_observation is not None
        reached = np.vstack([copy.observations[1:], copy.final_observation])[:, :2].astype(np.float64)
        goal = copy.observations[0, 4:].astype(np.float64)
        ends = [environment.compute_terminated(place, goal, {}) for place in reached]
        assert copy.rewards.tolist() == [environment.compute_reward(place, goal, {}) for place in reached]
        assert ends == [False] * (len(copy) - 1) + [True]
        assert copy.terminated
    environment.close()
    assert made > 100


def test_a_copy_differs_from_its_episode_in_goal_and_length_only() -> None:
    original = wander(30, 1)
    copy = relabelled(original, COLUMNS, np.random.default_rng(0))
    assert copy is not None
    np.testing.assert_array_equal(copy.observations[:, :4], original.observations[: len(copy), :4])
    np.testing.assert_array_equal(copy.actions, original.actions[: len(copy)])
    assert len(np.unique(copy.observations[:, 4:], axis=0)) == 1
    assert (original.observations[:, 4:] == 100.0).all()


def test_an_episode_that_comes_to_the_goal_at_once_has_no_copy() -> None:
    still = wander(5, 0)
    still.observations[:, :2] = 0.0
    assert still.final_observation is not None
    still.final_observation[:2] = 0.0
    assert relabelled(still, COLUMNS, np.random.default_rng(0)) is None
