from __future__ import annotations

import base64
import dataclasses
import re
from typing import TYPE_CHECKING

import numpy as np
import pytest

from ttf.floor import world
from ttf.interfaces.environment import FloorPlan
from ttf.paper import Picture
from ttf.run_dir import RunDir, save_trajectories
from ttf.trajectories import Trajectory, read_trajectories
from ttf_plugins.html import bins, maze
from ttf_plugins.html.contents import Contents, read_contents
from ttf_plugins.html.documents import Column
from ttf_plugins.html.html import pictures, planner

if TYPE_CHECKING:
    from pathlib import Path


def svg(picture: Picture) -> str:
    return base64.b64decode(picture.source.partition(",")[2]).decode()


@pytest.fixture
def contents(full_run: RunDir) -> Contents:
    return read_contents(full_run)


def walk(steps: int, plans: int = 0) -> Trajectory:
    rows = np.linspace(0, 1, steps + 1, dtype=np.float32)[:, None].repeat(3, axis=1)
    return Trajectory("a", 0, rows, {t: rows[t : t + 5] for t in range(plans)})


def test_the_world_is_drawn_as_far_as_walls_and_trajectories_reach() -> None:
    floor = FloorPlan(walls=[(0.0, 0.0), (4.0, 1.0)], cell=1.0, position=(0, 1))
    scene = world(floor, [])
    assert (scene.low, scene.high, scene.aspect) == ((-0.5, -0.5), (4.5, 1.5), 0.4)
    far = dataclasses.replace(walk(1), observations=np.array([[9, 0, 0], [0, -3, 0]], dtype=np.float32))
    scene = world(floor, [far])
    assert (scene.low, scene.high) == ((-0.5, -3.0), (9.0, 1.5))


def test_a_goal_that_is_always_there_is_drawn_at_its_place() -> None:
    columns = FloorPlan(walls=[(0.0, 0.0)], cell=1.0, position=(0, 1), goal=(1, 2))
    fixed = FloorPlan(walls=[(0.0, 0.0)], cell=1.0, position=(0, 1), fixed_goal=(0.0, 0.0))
    neither = FloorPlan(walls=[(0.0, 0.0)], cell=1.0, position=(0, 1))
    first, second, third = (
        svg(maze.behaviour_picture(world(floor, []), {"a": [walk(3)]}, {})) for floor in (columns, fixed, neither)
    )
    assert first == second  # the walk starts at the origin, and its goal columns say that too
    assert "<!-- goal -->" in second
    assert "<!-- goal -->" not in third


def test_plans_are_thinned_evenly_over_the_episode() -> None:
    assert [t for t, _ in walk(100, 100).some_plans(12)] == list(range(0, 100, 9))
    assert [t for t, _ in walk(100, 3).some_plans(12)] == [0, 1, 2]
    assert walk(100).some_plans(12) == []


def test_every_plan_that_is_shown_is_drawn(contents: Contents) -> None:
    picture = pictures(contents)["behaviour"][1]
    planned = [item for item in contents.trajectories if item.plans][: maze.PLANNED]
    shown = sum(len(item.some_plans(maze.PLANS)) for item in planned)
    drawn = svg(picture).count('style="fill: none; stroke: #ee6677')
    assert shown > 20
    assert drawn == shown + 1  # the legend's


def test_a_failed_episode_is_marked_in_every_picture_from_above(contents: Contents) -> None:
    none_failed = [record.model_copy(update={"success": True}) for record in contents.episodes]
    for before, after in zip(
        pictures(contents)["behaviour"],
        pictures(dataclasses.replace(contents, episodes=none_failed))["behaviour"],
        strict=True,
    ):
        assert svg(before) != svg(after)


def test_plans_of_a_single_transition_are_no_lines_and_are_left_out(contents: Contents) -> None:
    short = [
        dataclasses.replace(item, plans={step: plan[:1] for step, plan in item.plans.items()})
        for item in contents.trajectories
    ]
    without = dataclasses.replace(contents, trajectories=short)
    titles = [[picture.title for picture in pictures(one)["behaviour"]] for one in (contents, without)]
    assert titles == [["Trajectories from above", "Imagined plans"], ["Trajectories from above"]]
    (over_time,) = pictures(dataclasses.replace(without, floor=None))["behaviour"]
    assert "<!-- planned -->" not in svg(over_time)
    assert "plans" not in over_time.caption


def test_without_a_floor_plan_an_episode_is_drawn_over_time(contents: Contents) -> None:
    (picture,) = pictures(dataclasses.replace(contents, floor=None))["behaviour"]
    assert picture.title == "An episode over time"
    assert picture.caption.startswith("Episode 0 of beam_search: the first 6 of 6 dimensions of the observation")


def test_the_planner_is_the_policy_with_plans_else_the_first_of_the_results(contents: Contents) -> None:
    reordered = contents.result.model_copy(update={"policies": contents.result.policies[::-1]})
    reversed_contents = dataclasses.replace(contents, result=reordered)
    assert planner(reversed_contents) == "beam_search"
    assert planner(dataclasses.replace(reversed_contents, trajectories=[])) == "random"
    assert planner(dataclasses.replace(contents, trajectories=[], episodes=[], result=type(contents.result)())) is None


def test_a_constant_column_has_no_relative_error() -> None:
    column = Column(name="x", live=1, dead=99, low=3, high=3, error_mean=0, error_max=0, range=0)
    assert bins.percent(column, 0.0) == 0.0
    assert bins.percent(column.model_copy(update={"range": 4.0}), 1.0) == 25.0


def test_a_hundred_columns_fit_on_a_page(contents: Contents) -> None:
    assert contents.discretizer is not None
    many = contents.discretizer.model_copy(update={"columns": contents.discretizer.columns * 10})
    assert 'height="936pt"' in svg(bins.bins_picture(many))  # 13 inches


@pytest.mark.parametrize(
    ("height", "policies"), [(0.3, 1), (0.3, 2), (1.0, 3), (9.0, 2), (9.0, 3), (2.0, 4), (45.0, 1), (45.0, 13)]
)
def test_titles_and_legends_of_worlds_of_any_shape_lie_inside_the_picture(height: float, policies: int) -> None:
    floor = FloorPlan(walls=[(0.0, 0.0), (9.0, height)], cell=0.5, position=(0, 1))
    trajectories = {f"policy {i}": [dataclasses.replace(walk(1), policy=f"policy {i}")] for i in range(policies)}
    page = svg(maze.behaviour_picture(world(floor, []), trajectories, {}))
    size = re.search(r'viewBox="0 0 ([\d.]+) ([\d.]+)"', page)
    texts = re.findall(
        r'<!-- (policy \d+|start|end of .*) -->\s*<g [^>]*transform="translate\(([\d.-]+) ([\d.-]+)\)', page
    )
    assert size is not None
    assert [name for name, _, _ in texts] == [*trajectories, "start", "end of a failed episode"]
    for _, left, baseline in texts:
        assert 0 <= float(left) < float(size[1])
        assert 7 < float(baseline) < float(size[2]) - 2  # points: what letters have above and below their line


def test_a_plan_is_drawn_up_to_its_end(tmp_path: Path) -> None:
    plan = np.array([[0, 0], [1, 1], [np.nan, np.nan]], dtype=np.float32)
    arrays = {"p/0/observations": np.zeros((3, 2), np.float32), "p/0/plan/0": plan, "p/0/plan/1": plan[2:]}
    save_trajectories(RunDir(tmp_path), arrays)
    (trajectory,) = read_trajectories(RunDir(tmp_path).trajectories)
    assert list(trajectory.plans) == [0]
    np.testing.assert_array_equal(trajectory.plans[0], plan[:2])
