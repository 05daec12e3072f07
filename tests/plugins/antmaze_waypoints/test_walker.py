"""The walker sees the world from where it is to go, and gets there."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

pytest.importorskip("gymnasium_robotics", reason="AntMaze is in the extra 'mujoco'")

import torch

from ttf.maze import RADIUS, solve
from ttf.registered import make
from ttf_plugins.antmaze_waypoints.antmaze_waypoints import environment_spec
from ttf_plugins.antmaze_waypoints.collect import RULE
from ttf_plugins.antmaze_waypoints.walker import fallen, load_walker, turned


def bodies(number: int) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Random bodies (B, 27) with unit quaternions."""
    random = np.random.default_rng(0)
    made = random.normal(size=(number, 27))
    made[:, 1:5] /= np.linalg.norm(made[:, 1:5], axis=1, keepdims=True)
    return made


def test_a_body_and_its_direction_turned_together_look_the_same() -> None:
    before, directions = bodies(50), np.random.default_rng(1).normal(size=(50, 2))
    after, about = before.copy(), Rotation.from_euler("z", np.random.default_rng(2).uniform(-3, 3, (50, 1)))
    rotated = about * Rotation.from_quat(before[:, [2, 3, 4, 1]])
    after[:, [2, 3, 4, 1]] = rotated.as_quat()
    after[:, 13:16] = about.apply(before[:, 13:16])
    other_way = about.apply(np.column_stack([directions, np.zeros(50)]))[:, :2]
    np.testing.assert_allclose(turned(after, other_way), turned(before, directions), atol=1e-12)


def test_towards_x_only_the_sign_of_the_quaternion_changes() -> None:
    before = bodies(50)
    seen = turned(before, np.tile([2.0, 0.0], (50, 1)))
    np.testing.assert_array_equal(seen[:, 1:5], before[:, 1:5] * np.where(before[:, 1:2] < 0, -1, 1))
    np.testing.assert_array_equal(np.delete(seen, range(1, 5), axis=1), np.delete(before, range(1, 5), axis=1))


def test_the_network_is_two_tanh_layers_over_clipped_standard_scores() -> None:
    walker, seen = load_walker(), bodies(20)
    seen[0, 0] = 1e6
    hidden = torch.from_numpy((turned(seen, np.ones((20, 2))) - walker.mean) / walker.std).clamp(-10, 10)
    for i in range(3):
        weight, bias = torch.from_numpy(walker.weights[i]), torch.from_numpy(walker.biases[i])
        hidden = torch.nn.functional.linear(hidden.tanh() if i else hidden, weight, bias)
    np.testing.assert_allclose(walker.actions(seen, np.ones((20, 2))), hidden.numpy(), rtol=1e-12)


def test_an_action_is_the_same_in_a_batch_of_any_size() -> None:
    walker, seen = load_walker(), bodies(37)
    directions = np.random.default_rng(1).normal(size=(37, 2))
    together = walker.actions(seen, directions).astype(np.float32)
    alone = [walker.actions(seen[i : i + 1], directions[i : i + 1])[0].astype(np.float32) for i in range(37)]
    np.testing.assert_array_equal(together, alone)


def test_an_ant_has_fallen_when_its_back_is_below_its_belly() -> None:
    angles = np.array([[0], [60], [89], [91], [120], [180]])
    seen = np.zeros((12, 27), np.float32)
    for i, axis in enumerate("xy"):
        seen[6 * i : 6 * i + 6][:, [2, 3, 4, 1]] = Rotation.from_euler(axis, angles, degrees=True).as_quat()
    assert fallen(seen).tolist() == [False, False, False, True, True, True] * 2


def test_the_walker_runs_round_the_u_to_the_goal() -> None:
    environment: Any = make(environment_spec("umaze"))
    maze, walker = solve(environment.unwrapped.maze), load_walker()
    goal = environment.goal[None]
    for seed in range(2):
        observation, _ = environment.reset(seed=seed)
        for _ in range(400):
            seen = RULE.flatten(observation)[None].astype(np.float64)
            way = maze.waypoints(seen[:, :2], goal) - seen[:, :2]
            action = walker.actions(seen[:, 2:], way)[0].clip(-1, 1).astype(np.float32)
            observation, reward, terminated, _, info = environment.step(action)
            if terminated:
                break
        assert (terminated, reward, info["success"]) == (True, 1.0, True)
        assert np.linalg.norm(observation["achieved_goal"] - goal[0]) <= RADIUS
