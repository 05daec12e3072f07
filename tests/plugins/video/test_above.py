"""A frame from above shows the way so far, the plan of the moment, start and goal."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from ttf.floor import world
from ttf.interfaces.environment import FloorPlan
from ttf.trajectories import read_trajectories
from ttf_plugins.video.above import FAILED, GOAL, PLAN, WALL, Scene
from ttf_plugins.video.files import held

if TYPE_CHECKING:
    from ttf.run_dir import RunDir
    from ttf.trajectories import Trajectory
    from ttf_plugins.video.files import Frame


def count(frame: Frame, color: str) -> int:
    """Pixels of exactly that colour."""
    return int((frame == [int(color[i : i + 2], 16) for i in (1, 3, 5)]).all(axis=2).sum())


def item_of(run: RunDir) -> Trajectory:
    return next(item for item in read_trajectories(run.trajectories) if item.plans)


def frames(run: RunDir, success: bool | None = None, size: int = 360) -> list[Frame]:
    item = item_of(run)
    return list(Scene(world(FloorPlan(**run.read("floor_plan")), [item]), item, success, size).frames(1))


def test_the_plan_of_the_moment_is_drawn_until_the_end(maze_run: RunDir) -> None:
    shown = frames(maze_run)
    legend = count(shown[-1], PLAN)
    assert all(count(frame, PLAN) > legend for frame in shown[:-1])
    assert len(shown) == 13


def test_a_plan_starts_where_it_was_made(maze_run: RunDir) -> None:
    shown = frames(maze_run)
    left = [np.flatnonzero((frame == [0xEE, 0x66, 0x77]).all(axis=2)[:-40].any(axis=0)) for frame in shown]
    ends = [int(columns.max()) for columns in left[:12]]  # the point itself may hide a dot of the plan
    assert ends == pytest.approx([ends[0]] * 6 + [ends[6]] * 6, abs=10)
    assert ends[6] - ends[0] == pytest.approx(6 / 12 * 4 / 7 * 360 * 0.96, abs=5)  # half of the way, 4 of 7 cells


def test_the_way_grows_to_the_right(maze_run: RunDir) -> None:
    shown = frames(maze_run)
    first = shown[0].astype(int)
    ends = [np.flatnonzero((frame.astype(int) != first).any(axis=2)[40:-40].any(axis=0)).max() for frame in shown[1:]]
    assert ends == sorted(ends)
    assert ends[-1] > 250


@pytest.mark.parametrize(("success", "color"), [(True, GOAL), (False, FAILED), (None, None)])
def test_the_last_frame_says_how_it_ended(maze_run: RunDir, success: bool | None, color: str | None) -> None:
    *_, before, last = frames(maze_run, success)
    for said in (GOAL, FAILED):
        assert (count(last[:30], said) > count(before[:30], said)) is (said == color)


def test_walls_are_where_the_floor_plan_has_them(maze_run: RunDir) -> None:
    frame = frames(maze_run)[0]
    assert count(frame, WALL) / (360 * 360 * 3 / 7) == pytest.approx(16 / 21, abs=0.1)


@pytest.mark.parametrize("size", [64, 101, 720])
def test_frames_have_an_even_number_of_pixels(maze_run: RunDir, size: int) -> None:
    height, width, colors = frames(maze_run, size=size)[0].shape
    assert (height % 2, width % 2, colors) == (0, 0, 3)
    assert abs(width - size) <= 1


def test_the_last_frame_is_held(maze_run: RunDir) -> None:
    shown = frames(maze_run)[:3]
    assert [id(frame) for frame in held(shown, 2)] == [id(shown[i]) for i in (0, 1, 2, 2, 2)]
    assert list(held([], 2)) == []
