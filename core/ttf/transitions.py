"""Single transitions of episodes, which critics and cloned policies learn from."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch

from ttf.episodes import learned_rewards, observed, transition_actions, transition_rewards
from ttf.errors import DataError
from ttf.interfaces.learner import Later, Transitions

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from ttf.component import DataConfig
    from ttf.interfaces.data import Episode


def make_transitions(episodes: Sequence[Episode], config: DataConfig) -> Transitions:
    """Every transition whose end is known: from step t to step t + stride, or to the termination before it.

    The observation after a termination counts nothing, so the last one stands in where none was recorded.

    Raises:
        DataError: there is no such transition.
    """
    pieces = [piece for episode in episodes if len((piece := _of_episode(episode, config))[2])]
    if not pieces:
        message = f"no episode is longer than data.stride, {config.stride}: there is no transition to learn from"
        raise DataError(message)
    columns = [torch.from_numpy(np.concatenate(column).astype(np.float32)) for column in zip(*pieces, strict=True)]
    observations, actions, rewards, following, discounts, *later = columns
    return Transitions(observations, actions, rewards, following, discounts, Later(*later) if later else None)


def _of_episode(episode: Episode, config: DataConfig) -> tuple[NDArray[np.floating], ...]:
    """Observations, actions, rewards, next observations and discounts of an episode; with subgoals, what came later."""
    length, stride = len(episode), config.stride
    seen = observed(episode)
    if episode.terminated and len(seen) == length:
        seen = np.vstack([seen, seen[-1:]])
    count = length if episode.terminated else max(0, len(seen) - stride)
    start = np.arange(count)
    end = start + stride
    earned = learned_rewards(episode, config)
    rewards = transition_rewards(earned, config.discount, stride)
    over = episode.terminated & (end >= length)
    discounts = np.where(over, 0.0, config.discount**stride)
    following = seen[np.minimum(end, len(seen) - 1)]
    own = seen[:count], transition_actions(episode.actions, config)[:count], rewards[:count], following, discounts
    if config.subgoal is None:
        return own
    known = length if episode.terminated else len(seen) - 1
    end = np.minimum(start + config.subgoal.steps, known)
    rewards = transition_rewards(earned[:known], config.discount, config.subgoal.steps)
    discounts = np.where(episode.terminated & (end >= length), 0.0, config.discount ** (end - start))
    return *own, rewards[:count], seen[np.minimum(end, len(seen) - 1)], discounts
