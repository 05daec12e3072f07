"""Recorded episodes are read back with their actions and plans."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ttf.run_dir import RunDir, save_trajectories
from ttf.trajectories import read_trajectories

if TYPE_CHECKING:
    from pathlib import Path


def test_actions_and_plans_belong_to_the_episode_of_their_name(tmp_path: Path) -> None:
    run = RunDir(tmp_path)
    seen, acted = np.arange(8, dtype=np.float32).reshape(4, 2), np.ones((3, 1), np.float32)
    plan = np.array([[1, 2], [3, np.nan]], np.float32)
    arrays = {f"a/b/{episode}/observations": seen + episode for episode in (0, 10)}
    save_trajectories(run, arrays | {"a/b/10/actions": acted, "a/b/10/plan/2": plan, "c/0/actions": acted})
    first, second = read_trajectories(run.trajectories)
    assert [(item.policy, item.episode) for item in (first, second)] == [("a/b", 0), ("a/b", 10)]
    assert (first.actions, first.plans) == (None, {})
    assert second.actions is not None
    np.testing.assert_array_equal(second.actions, acted)
    np.testing.assert_array_equal(second.plans[2], plan[:1])


def test_actions_of_another_length_are_left_out(tmp_path: Path) -> None:
    run = RunDir(tmp_path)
    save_trajectories(
        run, {"a/0/observations": np.ones((4, 2), np.float32), "a/0/actions": np.ones((4, 1), np.float32)}
    )
    assert read_trajectories(run.trajectories)[0].actions is None
