"""Collect episodes with a policy."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ttf.observations import ObservationRule
from ttf.recording import Recording

if TYPE_CHECKING:
    from collections.abc import Sequence

    import gymnasium
    from minari.data_collector import EpisodeBuffer

    from ttf.interfaces.policy import Policy

#: Position, velocity and goal.
_RULE = ObservationRule(("observation", "desired_goal"))


def run(environments: Sequence[gymnasium.Env[Any, Any]], policy: Policy, seeds: Sequence[int]) -> list[EpisodeBuffer]:
    """One episode in every environment; the last seed is the policy's."""
    recordings = [Recording(env, _RULE, seed) for env, seed in zip(environments, seeds[:-1], strict=True)]
    actor = policy.start(len(recordings), seeds[-1])
    running = list(range(len(recordings)))
    while running:
        vectors = np.stack([recordings[i].vector() for i in running])
        actions = actor.act(vectors)
        going = [row for row, i in enumerate(running) if recordings[i].step(actions[row])]
        if len(going) < len(running):
            actor.keep(np.array(going, dtype=np.int64))
            running = [running[row] for row in going]
    return [recording.buffer() for recording in recordings]
