"""Discretizer: continuous rows to tokens and back."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING

from torch import Tensor, nn

if TYPE_CHECKING:
    from ttf.layout import Layout

__all__ = ["Discretizer"]


class Discretizer(nn.Module, ABC):
    """Maps every column of a row to one of ``bins`` tokens of its own.

    What ``fit`` learns lives in buffers, allocated by the constructor, so that a fitted discretizer is saved,
    loaded and moved as any module is. ``at`` is the column of the first entry of what is given.
    """

    live: Tensor
    """Buffer (D, bins) bool: the bins that ``encode`` can return; the others are *dead* and never sampled."""

    def __init__(self, layout: Layout, bins: int) -> None:
        super().__init__()
        self.layout = layout
        self.bins = bins

    @property
    def stop(self) -> int:
        """The token that stands in every column once a trajectory has ended."""
        return self.bins

    @property
    def vocabulary(self) -> int:
        """Number of tokens, the stop token included."""
        return self.bins + 1

    @abstractmethod
    def fit(self, rows: Tensor) -> None:
        """Learn the bins of every column.

        Args:
            rows: finite values (N, D).

        Raises:
            DataError: a value is not finite, or there are no rows.
        """

    @abstractmethod
    def encode(self, values: Tensor, at: int = 0) -> Tensor:
        """Tokens (..., d) int64 in ``0 .. bins-1`` of values (..., d); values outside the bins are clipped.

        Raises:
            DataError: a value is not finite.
        """

    @abstractmethod
    def decode(self, tokens: Tensor, at: int = 0) -> Tensor:
        """Representative values (..., d) of tokens (..., d); the stop token decodes as the last live bin."""

    @abstractmethod
    def expectation(self, probabilities: Tensor, at: int) -> Tensor:
        """Expected values (...) of column ``at`` under probabilities (..., bins), not renormalised."""

    @abstractmethod
    def widths(self) -> Tensor:
        """Widths (D, bins) of the bins, float64 on the CPU, 0 where dead; a probability by its width is a density."""

    @abstractmethod
    def outside(self, values: Tensor, at: int = 0) -> Tensor:
        """Which of the values (..., d) ``encode`` clips (..., d) bool."""
