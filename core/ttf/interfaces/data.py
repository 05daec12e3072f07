"""DataSource: recorded episodes, and what they were recorded from."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from ttf.interfaces.policy import Policy
    from ttf.observations import ObservationRule

__all__ = ["DataSource", "EnvironmentSpec", "Episode", "Provenance"]


@dataclass(frozen=True)
class Episode:
    """One recorded episode of T steps."""

    observations: NDArray[np.float32]
    """(T, O): what was seen before each action."""

    actions: NDArray[np.float32]
    """(T, A)"""

    rewards: NDArray[np.float32]
    """(T,)"""

    terminated: bool
    """Whether the environment ended the episode; False if it was cut off."""

    final_observation: NDArray[np.float32] | None = None
    """(O,): what was seen after the last action, where it was recorded."""

    def __len__(self) -> int:
        return len(self.rewards)


@dataclass(frozen=True)
class Provenance:
    """Which data this is, for the run folder and the report."""

    id: str
    """Name of the data set."""

    sha256: str
    """Hash of the recorded arrays."""

    details: Mapping[str, str] = field(default_factory=dict)
    """Anything else worth knowing: file, versions, how it was collected."""


@dataclass(frozen=True)
class EnvironmentSpec:
    """The environment data was recorded in: a registered id and options that are plain data, never code."""

    id: str
    options: Mapping[str, Any] = field(default_factory=dict)


class DataSource(ABC):
    """Episodes ready to be checked and discretized."""

    @abstractmethod
    def episodes(self) -> Sequence[Episode]:
        """All episodes, in recorded order."""

    @property
    @abstractmethod
    def provenance(self) -> Provenance:
        """Which data this is."""

    @property
    @abstractmethod
    def environment(self) -> EnvironmentSpec | None:
        """Where the data was recorded, if that is known."""

    @property
    @abstractmethod
    def rule(self) -> ObservationRule:
        """How an observation of the environment becomes a row's vector."""

    @abstractmethod
    def behaviour(self) -> Policy | None:
        """The policy that made the data, if it can act again."""
