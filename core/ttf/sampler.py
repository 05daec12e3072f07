"""In which order training windows are seen."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray


class Sampler:
    """Windows in a new random order every epoch; where it stands is two numbers."""

    def __init__(self, windows: int, batch: int, seed: int) -> None:
        self._windows, self._batch, self._seed = windows, min(batch, windows), seed
        self._epoch, self._offset = 0, 0
        self._order = self._permutation()

    def next(self) -> NDArray[np.int64]:
        """Indices (B,) of the next batch; what is left of an epoch and too short for one is dropped."""
        if self._offset + self._batch > self._windows:
            self.seek(self._epoch + 1, 0)
        indices = self._order[self._offset : self._offset + self._batch]
        self._offset += self._batch
        return indices

    @property
    def position(self) -> tuple[int, int]:
        """Epoch and offset within it."""
        return self._epoch, self._offset

    def seek(self, epoch: int, offset: int) -> None:
        """Go on from a position."""
        self._epoch, self._offset = epoch, offset
        self._order = self._permutation()

    def _permutation(self) -> NDArray[np.int64]:
        return np.random.default_rng([self._seed, self._epoch]).permutation(self._windows)
