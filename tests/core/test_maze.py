"""Waypoints lead through mazes, and a fixed goal stays where it is."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

pytest.importorskip("gymnasium_robotics", reason="mazes are in the extra 'mujoco'")

import gymnasium

from ttf.errors import DataError
from ttf.fixed_goal import FixedGoal
from ttf.interfaces.data import EnvironmentSpec
from ttf.maze import RADIUS, solve
from ttf.registered import make

POINT = EnvironmentSpec("PointMaze_UMaze-v3", {"continuing_task": False, "goal_cell": [1, 1]})


@pytest.mark.parametrize("name", ["PointMaze_Open-v3", "PointMaze_UMaze-v3", "PointMaze_Medium-v3", "AntMaze_Large-v5"])
def test_waypoints_lead_from_every_cell_to_every_other_without_entering_a_wall(name: str) -> None:
    environment: Any = make(EnvironmentSpec(name)).unwrapped
    maze = solve(environment.maze)
    walls = np.array(environment.maze.maze_map) == 1
    free = np.argwhere(~walls)
    centres = np.array([environment.maze.cell_rowcol_to_xy(cell) for cell in free])
    np.testing.assert_array_equal(maze.cells(centres), free)
    for goal in centres:
        at = centres.copy()
        for _ in range(len(free)):
            at = maze.waypoints(at, np.broadcast_to(goal, at.shape))
            assert not walls[*maze.cells(at).T].any()
        np.testing.assert_array_equal(at, np.broadcast_to(goal, at.shape))


def test_a_fixed_goal_is_the_centre_of_its_cell_in_every_episode_while_starts_differ() -> None:
    environment: Any = make(POINT)
    centre = environment.unwrapped.maze.cell_rowcol_to_xy((1, 1))
    starts = set()
    for seed in range(20):
        observation, info = environment.reset(seed=seed)
        np.testing.assert_array_equal(observation["desired_goal"], centre)
        np.testing.assert_array_equal(environment.unwrapped.goal, centre)
        np.testing.assert_array_equal(environment.step(np.zeros(2, np.float32))[0]["desired_goal"], centre)
        assert info["success"] is False
        starts.add(tuple(observation["achieved_goal"]))
    assert len(starts) == 20
    np.testing.assert_array_equal(environment.goal, centre)


def test_without_the_option_the_goal_moves_about_its_cell() -> None:
    environment: Any = make(EnvironmentSpec(POINT.id, {"maze_map": [[1, 1, 1, 1], [1, "r", "g", 1], [1, 1, 1, 1]]}))
    assert len({tuple(environment.reset(seed=seed)[0]["desired_goal"]) for seed in range(20)}) == 20


def test_the_start_of_an_episode_can_be_chosen_and_be_within_the_radius() -> None:
    environment: Any = make(POINT)
    near = 0
    for seed in range(30):
        observation, info = environment.reset(seed=seed, options={"reset_cell": [1, 1]})
        distance = np.linalg.norm(observation["achieved_goal"] - environment.goal)
        assert distance <= 0.25 * np.sqrt(2) + 1e-9
        assert info["success"] == (distance <= RADIUS)
        near += info["success"]
    assert near > 0


@pytest.mark.parametrize("identifier", ["PointMaze_UMaze-v3", "AntMaze_UMaze-v5"])
def test_the_radius_is_the_one_at_which_the_environments_reward_and_end(identifier: str) -> None:
    environment: Any = make(EnvironmentSpec(identifier, {"continuing_task": False})).unwrapped
    goal = np.zeros(2)
    for distance, reached in ((RADIUS - 1e-6, True), (RADIUS + 1e-6, False)):
        place = np.array([distance, 0.0])
        assert environment.compute_reward(place, goal, {}) == reached
        assert environment.compute_terminated(place, goal, {}) is reached


def test_an_environment_made_of_the_recorded_constructors_has_the_goal_too() -> None:
    environment = make(POINT)
    assert environment.spec is not None
    again = gymnasium.make(gymnasium.envs.registration.EnvSpec.from_json(environment.spec.to_json()))
    assert isinstance(again, FixedGoal)
    np.testing.assert_array_equal(again.reset(seed=0)[0]["desired_goal"], environment.reset(seed=0)[0]["desired_goal"])


_CORRIDOR = [[1, 1, 1, 1], [1, "r", 0, 1], [1, 1, 1, 1]]


@pytest.mark.parametrize(
    ("cell", "why"),
    [
        ([3, 1], "goal_cell [3, 1] is outside the maze of 3 rows and 4 columns"),
        ([1, -1], "goal_cell [1, -1] is outside the maze of 3 rows and 4 columns"),
        ([0, 2], "goal_cell [0, 2] is in a wall; a free cell nearby is [1, 2]"),
        ([1, 1], "goal_cell [1, 1] is the only cell to start in"),
        ([1], "goal_cell must be a row and a column, found [1]"),
        ([1.0, 2], "goal_cell must be a row and a column, found [1.0, 2]"),
        (True, "goal_cell must be a row and a column, found True"),
    ],
)
def test_a_goal_that_cannot_be_one_is_refused_in_a_line(cell: object, why: str) -> None:
    with pytest.raises(DataError) as refusal:
        make(EnvironmentSpec("PointMaze_UMaze-v3", {"maze_map": _CORRIDOR, "goal_cell": cell}))
    assert str(refusal.value) == f"environment 'PointMaze_UMaze-v3': {why}"


def test_a_goal_cell_is_refused_where_there_is_no_maze() -> None:
    with pytest.raises(DataError, match=r"^environment 'Pendulum-v1': goal_cell is an option of mazes$"):
        make(EnvironmentSpec("Pendulum-v1", {"goal_cell": [1, 1]}))
