"""Rows of a data set, their split by episode, and training windows fetched by index from tokens on disk."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import torch
from numpy.lib.format import open_memmap
from scipy.signal import lfilter
from torch import Tensor

from ttf.errors import DataError, ResourceError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from ttf.component import DataConfig
    from ttf.goals import GoalColumns
    from ttf.interfaces.data import Episode
    from ttf.interfaces.discretizer import Discretizer
    from ttf.layout import Layout

__all__ = ["Rows"]

ENCODED_AT_ONCE = 65_536
"""Rows discretized per call, so that tokenising needs little memory beside the rows."""


def transition_rewards(rewards: NDArray[np.floating], discount: float, stride: int = 1) -> NDArray[np.float64]:
    """What transitions of ``stride`` steps earn: R_t = sum over 0 <= k < stride of discount^k r_(t+k), (T,)."""
    weights = discount ** np.arange(stride)
    summed: NDArray[np.float64] = lfilter(weights, [1.0], np.asarray(rewards, dtype=np.float64)[::-1])[::-1]
    return summed


def transition_actions(actions: NDArray[np.float32], config: DataConfig) -> NDArray[np.float32]:
    """The actions (T, A) of transitions: each step's own, or the mean of those until the transition or all is over."""
    if config.stride_action == "first":
        return actions
    ends = np.minimum(np.arange(len(actions)) + config.stride, len(actions))
    sums = np.vstack([np.zeros((1, actions.shape[1])), actions.cumsum(axis=0, dtype=np.float64)])
    counts = ends - np.arange(len(actions))
    means: NDArray[np.float32] = ((sums[ends] - sums[:-1]) / counts[:, None]).astype(np.float32)
    return means


def observed(episode: Episode) -> NDArray[np.float32]:
    """All observations of an episode (T + 1, O), or (T, O) where the last one was not recorded."""
    if episode.final_observation is None:
        return episode.observations
    return np.vstack([episode.observations, episode.final_observation])


def changes(episode: Episode, dims: Sequence[int], steps: int) -> NDArray[np.float32]:
    """By how much dimensions of the observation change in so many steps, or until the last one recorded, (T, S)."""
    places = observed(episode)[:, dims]
    later = np.minimum(np.arange(len(episode)) + steps, len(places) - 1)
    changed: NDArray[np.float32] = places[later] - places[: len(episode)]
    return changed


def returns_after(rewards: NDArray[np.floating], discount: float, stride: int = 1) -> NDArray[np.float64]:
    """The value column: V_t = sum over k >= stride of discount^(k-stride) r_(t+k), what comes after R_t, (T,).

    With a stride of 1 this is the published value, which excludes r_t (facts of the published code).
    """
    returns = lfilter([1.0], [1.0, -discount], np.asarray(rewards, dtype=np.float64)[::-1])[::-1]
    return np.append(returns, np.zeros(stride))[stride:]


@dataclass(frozen=True)
class Rows:
    """All transitions of some episodes, one after the other."""

    layout: Layout
    values: NDArray[np.float32]  # (N, D)
    lengths: NDArray[np.int64]  # (E,)
    terminated: NDArray[np.bool_]  # (E,)
    goals: NDArray[np.float32]  # (E, G): what each episode came to

    def select(self, episodes: NDArray[np.int64]) -> Rows:
        """The rows of some episodes, in the order given."""
        ends = self.lengths.cumsum()
        pieces = [self.values[ends[i] - self.lengths[i] : ends[i]] for i in episodes]
        values = np.concatenate([self.values[:0], *pieces])
        return Rows(self.layout, values, self.lengths[episodes], self.terminated[episodes], self.goals[episodes])

    def starts(self, count: int, stride: int) -> NDArray[np.int64]:
        """Rows from which ``count`` transitions, ``stride`` steps apart, lie within one episode."""
        ends = self.lengths.cumsum()
        last = (count - 1) * stride
        pieces = [np.arange(end - length, end - last) for end, length in zip(ends, self.lengths, strict=True)]
        return np.concatenate([np.arange(0), *pieces])

    def sequences(self, starts: NDArray[np.int64], count: int, stride: int) -> NDArray[np.float32]:
        """``count`` transitions from each of the rows (S,): (S, count, D)."""
        sequences: NDArray[np.float32] = self.values[starts[:, None] + np.arange(count) * stride]
        return sequences

    def episode(self, rows: NDArray[np.int64]) -> NDArray[np.int64]:
        """Which episodes rows (S,) belong to."""
        return np.searchsorted(self.lengths.cumsum(), rows, side="right")


def make_rows(
    episodes: Sequence[Episode], layout: Layout, config: DataConfig, goals: GoalColumns | None = None
) -> Rows:
    """Join observation, action, reward and value; the penalty replaces the reward of a termination first.

    With ``goals``, observations are those without the goal, and each episode gets the one it came to.

    Raises:
        DataError: a sum of rewards is beyond float32.
    """
    values = [_episode_rows(episode, config, goals) for episode in episodes]
    for index, rows in enumerate(values):
        for step, column in np.argwhere(~np.isfinite(rows))[:1].tolist():
            message = f"episode {index}, step {step}: {layout.names[column]} is beyond float32; scale the rewards down"
            raise DataError(message)
    lengths = np.array([len(episode) for episode in episodes], dtype=np.int64)
    terminated = np.array([episode.terminated for episode in episodes], dtype=np.bool_)
    reached = [goals.reached(episode) if goals else np.zeros(0, dtype=np.float32) for episode in episodes]
    return Rows(layout, np.concatenate(values), lengths, terminated, np.stack(reached))


def learned_rewards(episode: Episode, config: DataConfig) -> NDArray[np.float64]:
    """The rewards (T,) that are learned from: scaled, shifted, the last one perhaps replaced by the penalty."""
    rewards = config.reward_scale * np.array(episode.rewards, dtype=np.float64) + config.reward_shift
    if config.terminal_penalty is not None and episode.terminated:
        rewards[-1] = config.terminal_penalty
    return rewards


def _episode_rows(episode: Episode, config: DataConfig, goals: GoalColumns | None) -> NDArray[np.float32]:
    rewards = learned_rewards(episode, config)
    earned = transition_rewards(rewards, config.discount, config.stride)
    values = returns_after(rewards, config.discount, config.stride)
    seen = episode.observations[:, goals.seen] if goals else episode.observations
    with np.errstate(over="ignore"):  # checked by the caller
        actions = transition_actions(episode.actions, config)
        if config.subgoal is not None:
            actions = np.hstack([changes(episode, config.subgoal.dims, config.subgoal.steps), actions])
        return np.column_stack([seen, actions, earned, values]).astype(np.float32)


def split(count: int, fraction: float, seed: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Which of ``count`` episodes are trained on, and which are held out: at least one, but for a fraction of 0.

    Raises:
        DataError: there are too few episodes to hold any out.
    """
    held_out = min(int(np.ceil(fraction * count)), max(1, count - 1))
    if held_out and count < 2:
        message = "there is a single episode to learn from; set training.validation_fraction to 0 to hold none out"
        raise DataError(message)
    order = np.random.default_rng(seed).permutation(count)
    return np.sort(order[held_out:]), np.sort(order[:held_out])


class Batch(NamedTuple):
    """Training windows of T = L * D - 1 tokens."""

    goal: Tensor  # (B, G) int64
    inputs: Tensor  # (B, T) int64
    targets: Tensor  # (B, T) int64, the inputs one token later
    mask: Tensor  # (B, T) bool: targets that count

    def to(self, device: torch.device) -> Batch:
        """The batch on a device; to a GPU it is copied while what was asked of the GPU before still runs."""
        pinned = (tensor.pin_memory() for tensor in self) if device.type == "cuda" else self
        return Batch(*(tensor.to(device, non_blocking=True) for tensor in pinned))


class Windows:
    """Every window of ``context`` transitions, ``stride`` steps apart, that starts before an episode's last step.

    Rows past the end of an episode are stop tokens in every column. They count as targets after a termination;
    after a mere truncation they do not, as nothing is known of what would have come.

    Args:
        tokens: of all rows (N, D).
        rows: the rows.
        stop: the token that stands past the end.
        context: transitions of a window.
        stride: steps from one transition to the next.
        goals: tokens of the episodes' goals (E, G); None for no goals.
    """

    def __init__(
        self,
        tokens: NDArray[np.integer],
        rows: Rows,
        *,
        stop: int,
        context: int,
        stride: int,
        goals: NDArray[np.int64] | None = None,
    ) -> None:
        ends = rows.lengths.cumsum()
        counts = rows.lengths - 1
        goals = np.zeros((len(counts), 0), dtype=np.int64) if goals is None else goals
        self._episodes = {"lengths": rows.lengths, "terminated": rows.terminated, "goals": goals}
        self._tokens = tokens  # (N, D), usually memory-mapped
        self._stop = stop
        self._ends = np.repeat(ends, counts)
        first = counts.cumsum() - counts
        self._starts = np.arange(counts.sum()) - np.repeat(first - (ends - rows.lengths), counts)
        self._terminated = np.repeat(rows.terminated, counts)
        self._offsets = np.arange(context) * stride
        self._goals = np.repeat(goals, counts, axis=0)

    @classmethod
    def of(cls, arrays: Mapping[str, NDArray[Any]], discretizer: Discretizer, *, context: int, stride: int) -> Windows:
        """The windows that gave these :meth:`arrays`."""
        layout, lengths = discretizer.layout, arrays["lengths"]
        values, goals = (np.zeros((0, width), dtype=np.float32) for width in (layout.width, layout.goal))
        rows = Rows(layout, values, lengths, arrays["terminated"], goals)
        tokens, stop = arrays["tokens"], discretizer.stop
        return cls(tokens, rows, stop=stop, context=context, stride=stride, goals=arrays["goals"])

    def arrays(self) -> dict[str, NDArray[Any]]:
        """All that they are made of, for another process: the tokens, and lengths, ends and goals of the episodes."""
        return {"tokens": self._tokens, **self._episodes}

    def __len__(self) -> int:
        return len(self._starts)

    def batch(self, indices: NDArray[np.int64]) -> Batch:
        """The windows (B,) of these indices."""
        rows = self._starts[indices, None] + self._offsets  # (B, L)
        ends = self._ends[indices, None]
        tokens = self._tokens[np.minimum(rows, ends - 1)].astype(np.int64)  # (B, L, D)
        inside = rows < ends
        tokens[~inside] = self._stop
        counted = inside | self._terminated[indices, None]
        flat = torch.from_numpy(tokens).flatten(1)
        mask = torch.from_numpy(counted.repeat(tokens.shape[2], axis=1))
        goal = torch.from_numpy(self._goals[indices])
        return Batch(goal, flat[:, :-1], flat[:, 1:], mask[:, 1:])


def tokenise(rows: Rows, discretizer: Discretizer, file: Path) -> NDArray[np.integer]:
    """Write the tokens (N, D) of all rows to a file, whole or not at all; returns them memory-mapped.

    Raises:
        DataError: a value is not finite.
        ResourceError: the file cannot be written.
    """
    dtype = np.uint8 if discretizer.vocabulary <= np.iinfo(np.uint8).max else np.uint16
    partial = file.with_name(f".{file.name}.tmp")
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        tokens = open_memmap(partial, mode="w+", dtype=dtype, shape=rows.values.shape)
        for start in range(0, len(tokens), ENCODED_AT_ONCE):
            piece = torch.from_numpy(rows.values[start : start + ENCODED_AT_ONCE])
            tokens[start : start + len(piece)] = discretizer.encode(piece).numpy()
        tokens.flush()
        partial.replace(file)
    except OSError as error:
        partial.unlink(missing_ok=True)
        message = f"{file}: the tokens cannot be written: {error.strerror or error}"
        raise ResourceError(message) from error
    mapped: NDArray[np.integer] = np.load(file, mmap_mode="r")
    return mapped
