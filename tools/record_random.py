"""Record episodes of random actions in a Gymnasium environment as a local Minari data set.

    python tools/record_random.py Hopper-v5 smoke/hopper-v0

The smallest data on which a recipe of kind `minari` can be tried without a network, and a start for recording a policy
of your own: put it where the actions are sampled.
"""

from __future__ import annotations

import argparse

import gymnasium
import minari
import numpy as np
from minari.data_collector import EpisodeBuffer

from ttf.minari_write import create


def record(environment: str, dataset: str, episodes: int, seed: int) -> None:
    """Play some episodes and store them, unless they are stored already."""
    if dataset in minari.list_local_datasets():
        return
    played = gymnasium.make(environment)
    played.action_space.seed(seed)
    buffers = [_episode(played, seed + episode) for episode in range(episodes)]
    create(dataset, played, buffers, algorithm="random", description=f"Random actions in {environment}.")


def _episode(environment: gymnasium.Env[np.ndarray, np.ndarray], seed: int) -> EpisodeBuffer:
    """One episode, to its end."""
    observations, steps, over = [environment.reset(seed=seed)[0]], [], False
    while not over:
        action = environment.action_space.sample()
        observation, reward, terminated, truncated, _ = environment.step(action)
        observations.append(observation)
        steps.append((action, reward, terminated, truncated))
        over = terminated or truncated
    actions, rewards, terminations, truncations = (np.array(column) for column in zip(*steps, strict=True))
    return EpisodeBuffer(
        observations=np.stack(observations),
        actions=actions,
        rewards=rewards,
        terminations=terminations,
        truncations=truncations,
    )


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(description="Record random actions as a local Minari data set.")
    parser.add_argument("environment", help="id of a registered environment, such as Hopper-v5")
    parser.add_argument("dataset", help="id of the data set, such as smoke/hopper-v0")
    parser.add_argument("--episodes", type=int, default=40)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    record(arguments.environment, arguments.dataset, arguments.episodes, arguments.seed)


if __name__ == "__main__":
    main()
