"""Record episodes of random actions in a Gymnasium environment as a local Minari data set.

    python tools/record_random.py Hopper-v5 smoke/hopper-v0

The smallest data on which a recipe of kind `minari` can be tried without a network, and a start for recording a policy
of your own: put it where the actions are sampled.
"""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING

from ttf.errors import DataError
from ttf.interfaces.data import EnvironmentSpec
from ttf.minari_store import check_id, exists
from ttf.minari_write import create
from ttf.observations import ObservationRule
from ttf.recording import Recording
from ttf.registered import make

if TYPE_CHECKING:
    import gymnasium
    import numpy as np
    from minari.data_collector import EpisodeBuffer


def record(environment: str, dataset: str, episodes: int, seed: int) -> None:
    """Play some episodes and store them, unless they are stored already.

    Raises:
        DataError: the environment is not registered, or a data set cannot be called so.
    """
    check_id(dataset)
    played = make(EnvironmentSpec(environment))
    if exists(dataset):
        return
    played.action_space.seed(seed)
    buffers = [_episode(played, seed + episode) for episode in range(episodes)]
    create(dataset, played, buffers, algorithm="random", description=f"Random actions in {environment}.")


def _episode(environment: gymnasium.Env[np.ndarray, np.ndarray], seed: int) -> EpisodeBuffer:
    """One episode, to its end."""
    recording = Recording(environment, ObservationRule(), seed)
    while recording.step(environment.action_space.sample()):
        pass
    return recording.buffer()


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(description="Record random actions as a local Minari data set.")
    parser.add_argument("environment", help="id of a registered environment, such as Hopper-v5")
    parser.add_argument("dataset", help="id of the data set, such as smoke/hopper-v0")
    parser.add_argument("--episodes", type=int, default=40)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    try:
        record(arguments.environment, arguments.dataset, arguments.episodes, arguments.seed)
    except DataError as error:
        sys.exit(f"Error: {error}")


if __name__ == "__main__":
    main()
