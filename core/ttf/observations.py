"""ObservationRule: how an environment's observation becomes a vector, declared once and used everywhere."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["ObservationRule"]


@dataclass(frozen=True)
class ObservationRule:
    """Concatenate the entries of a Dict observation in order, then keep some dimensions."""

    keys: tuple[str, ...] | None = None
    """Entries of a Dict observation, in order; None for all, sorted by name."""

    dims: tuple[int, ...] | None = None
    """Dimensions of the concatenation to keep; None for all."""

    def flatten(self, observation: Any) -> NDArray[np.float32]:  # noqa: ANN401  (arrays or mappings of arrays)
        """Vectors (..., O) of observations (..., n), or of mappings of such.

        Raises:
            KeyError: an entry is missing.
            IndexError: a dimension to keep does not exist.
        """
        if isinstance(observation, dict):
            keys = self.keys if self.keys is not None else tuple(sorted(observation))
            vector = np.concatenate([np.asarray(observation[key]) for key in keys], axis=-1)
        else:
            vector = np.asarray(observation)
        if self.dims is not None:
            vector = vector[..., list(self.dims)]
        with np.errstate(over="ignore"):  # what is beyond float32 is infinite, and refused where it is used
            return np.ascontiguousarray(vector, dtype=np.float32)
