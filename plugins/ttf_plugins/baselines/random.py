"""Actions drawn uniformly between an environment's bounds."""

from __future__ import annotations

from typing import TYPE_CHECKING, final

import numpy as np

from ttf.errors import DataError
from ttf.interfaces.policy import Actor, Policy

if TYPE_CHECKING:
    from numpy.typing import NDArray


@final
class RandomPolicy(Policy):
    """Ignores what it sees.

    Raises:
        DataError: a bound is infinite.
    """

    def __init__(self, low: NDArray[np.float32], high: NDArray[np.float32]) -> None:
        if not (np.isfinite(low).all() and np.isfinite(high).all()):
            message = "baseline 'random' needs finite action bounds, and the environment has none; leave it out"
            raise DataError(message)
        self._low = low
        self._high = high

    def start(self, batch: int, seed: int) -> RandomActor:  # noqa: ARG002  (rows are all alike)
        """An actor with a stream of its own."""
        return RandomActor(self._low, self._high, np.random.default_rng(seed))


@final
class RandomActor(Actor):
    """A batch of random walks."""

    def __init__(self, low: NDArray[np.float32], high: NDArray[np.float32], random: np.random.Generator) -> None:
        self._low = low
        self._high = high
        self._random = random

    def act(self, observations: NDArray[np.float32]) -> NDArray[np.float32]:
        """Actions (B, A) between the bounds."""
        shape = (len(observations), len(self._low))
        return self._random.uniform(self._low, self._high, size=shape).astype(np.float32)

    def observe(self, rewards: NDArray[np.float32]) -> None:
        """Rewards change nothing."""

    def keep(self, rows: NDArray[np.int64]) -> None:
        """Rows are all alike."""
