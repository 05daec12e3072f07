"""Collect episodes with a policy, and store them as a Minari data set."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

import minari
import numpy as np
from minari.data_collector import EpisodeBuffer

if TYPE_CHECKING:
    from collections.abc import Sequence

    import gymnasium

    from ttf.interfaces.policy import Policy
    from ttf.interfaces.progress import Task

#: Episodes that run at once. Making an environment costs as much as a thousand steps.
BATCH = 16

_Environment = Any  # a gymnasium.Env whose observations are dicts of arrays


def collect(
    environments: Sequence[_Environment], policy: Policy, *, steps: int, seed: int, task: Task
) -> list[EpisodeBuffer]:
    """Whole episodes with at least ``steps`` steps, in batches of one episode per environment."""
    seeds = np.random.SeedSequence(seed)
    episodes: list[EpisodeBuffer] = []
    collected = 0
    while collected < steps:
        batch = seeds.spawn(1)[0].generate_state(len(environments) + 1).tolist()
        new = _run(environments, policy, batch)
        lengths = sum(len(episode) for episode in new)
        task.advance(min(lengths, steps - collected), episodes=len(episodes) + len(new))
        collected += lengths
        episodes += new
    return episodes


def _run(environments: Sequence[_Environment], policy: Policy, seeds: Sequence[int]) -> list[EpisodeBuffer]:
    """One episode in every environment; the last seed is the policy's."""
    recordings = [_Recording(env, seed) for env, seed in zip(environments, seeds[:-1], strict=True)]
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


class _Recording:
    """One episode while it is recorded."""

    def __init__(self, environment: _Environment, seed: int) -> None:
        self._environment = environment
        self._seed = seed
        self._observations = [environment.reset(seed=seed)[0]]
        self._steps: list[tuple[Any, float, bool, bool]] = []

    def vector(self) -> Any:  # noqa: ANN401  (a row of float32)
        """Position, velocity and goal, (6,)."""
        observation = self._observations[-1]
        return np.concatenate((observation["observation"], observation["desired_goal"]), dtype=np.float32)

    def step(self, action: Any) -> bool:  # noqa: ANN401  (a row of float32)
        """Act; whether the episode goes on."""
        observation, reward, terminated, truncated, _ = self._environment.step(action)
        self._observations.append(observation)
        self._steps.append((action, float(reward), terminated, truncated))
        return not (terminated or truncated)

    def buffer(self) -> EpisodeBuffer:
        """The episode as arrays, observations one more than steps."""
        actions, rewards, terminations, truncations = (np.array(column) for column in zip(*self._steps, strict=True))
        keys = self._observations[0]
        observations = {key: np.stack([seen[key] for seen in self._observations]) for key in keys}
        return EpisodeBuffer(
            seed=self._seed,
            observations=observations,
            actions=actions,
            rewards=rewards,
            terminations=terminations,
            truncations=truncations,
        )


def store(dataset_id: str, environment: gymnasium.Env[Any, Any], episodes: list[EpisodeBuffer]) -> None:
    """Write a data set of these episodes, with the environment's id and options, into Minari's store."""
    with warnings.catch_warnings():
        # Minari asks for an e-mail address and a link, which a data set made on the spot does not have.
        warnings.filterwarnings("ignore", message=r"`(author_email|code_permalink)` is set to None")
        minari.create_dataset_from_buffers(
            dataset_id,
            episodes,
            env=environment,
            eval_env=environment,
            algorithm_name="waypoints: shortest path, PD controller, Gaussian action noise",
            author="trajectory-transformer",
            description="PointMaze episodes between random starts and goals, each ending at its goal.",
        )
