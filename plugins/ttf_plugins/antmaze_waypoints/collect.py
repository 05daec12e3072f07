"""Record episodes of the waypoint policy."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ttf.observations import ObservationRule
from ttf.recording import Recording
from ttf_plugins.antmaze_waypoints.walker import fallen
from ttf_plugins.antmaze_waypoints.waypoints import Columns

if TYPE_CHECKING:
    from collections.abc import Sequence

    import gymnasium
    from minari.data_collector import EpisodeBuffer

    from ttf_plugins.antmaze_waypoints.waypoints import WaypointPolicy

#: Steps that an ant may lie on its back before its episode is cut off.
LYING = 25

#: What the policy sees while it collects.
RULE = ObservationRule(("achieved_goal", "observation"))
COLUMNS = Columns(position=(0, 1), body=tuple(range(2, 29)))


def run(
    environments: Sequence[gymnasium.Env[Any, Any]], policy: WaypointPolicy, seeds: Sequence[int]
) -> list[EpisodeBuffer]:
    """One episode in every environment, from a random cell to one random place after another.

    The last seed is the policy's. An episode ends where the environment ends it: at its goal and at its time limit. It
    is cut off where the ant has been lying on its back for a while, from which it does not get up. It goes on at the
    places it comes to, and for that while after a fall: nothing would follow those states otherwise, and a critic could
    believe anything of them.
    """
    starts = _starts(policy, len(environments), seeds[-1])
    recordings = [
        Recording(env, RULE, seed, {"reset_cell": cell})
        for env, seed, cell in zip(environments, seeds[:-1], starts, strict=True)
    ]
    actor = policy.start(len(recordings), seeds[-1])
    running, seen = recordings, np.stack([recording.vector() for recording in recordings])
    lying = np.zeros(len(running), dtype=np.int64)  # for how many steps
    while running:
        actions = actor.act(seen)
        ends = np.array([not recording.step(action) for recording, action in zip(running, actions, strict=True)])
        seen = np.stack([recording.vector() for recording in running])
        lying = np.where(fallen(seen[:, list(COLUMNS.body)]), lying + 1, 0)
        cut = ~ends & (lying > LYING)
        for row in np.flatnonzero(cut):
            running[row].cut_off()
        going = np.flatnonzero(~ends & ~cut)
        running, seen, lying = [running[row] for row in going], seen[going], lying[going]
        actor.keep(going)
    return [recording.buffer() for recording in recordings]


def _starts(policy: WaypointPolicy, number: int, seed: int) -> list[list[int]]:
    """Random cells; never the goal's, as AntMaze itself never starts there."""
    cells = policy.maze.free[(policy.maze.free != policy.goal).any(axis=1)]
    # the policy draws from the same seed, but other numbers
    random = np.random.default_rng([seed, 1])
    starts: list[list[int]] = cells[random.integers(len(cells), size=number)].tolist()
    return starts
