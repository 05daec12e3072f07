"""Reporter: what is done with metrics, evaluation episodes and the finished run."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["Reporter"]


class Reporter(ABC):
    """Told of everything that happens in a run, as plain data."""

    @abstractmethod
    def metrics(self, record: Mapping[str, Any]) -> None:
        """A training or validation record: ``step`` and figures."""

    @abstractmethod
    def episode(self, record: Mapping[str, Any]) -> None:
        """An evaluation episode: ``policy``, ``episode``, ``seed``, ``return``, ``steps``, ``success``, ..."""

    @abstractmethod
    def finish(self) -> None:
        """The run has ended, and its result is in the run folder."""
