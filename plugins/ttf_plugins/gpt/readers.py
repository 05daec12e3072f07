"""Which rows of a search read which stored keys and values, so that what several read is stored once."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import torch

from ttf.interfaces.model import flattened, repeated

if TYPE_CHECKING:
    from torch import Tensor

SHARED = 8
"""Rows that share a stored row at most, unless all do: a stored row has as many places for readers as the others."""


def counts(device: torch.device) -> bool:
    """Whether to count who shares what: a GPU would have to be waited for."""
    return device.type == "cpu"


@dataclass(frozen=True)
class Readers:
    """K rows in each of B groups, each at one of the G places that every one of S stored rows has for its readers.

    What the readers of a stored row multiply its keys and values with stands together, as one matrix.
    """

    places: Tensor
    """(B, K) int64: row k is reader ``places[b, k] % each`` of stored row ``places[b, k] // each``, none else is."""

    stored: int
    """Stored rows, S."""

    each: int
    """Places of a stored row, G."""

    heads: int
    """Heads of each row; every head is a matrix of its own."""

    @classmethod
    def alone(cls, groups: int, rows: int, heads: int, device: torch.device) -> Readers:
        """Every row reads one of its own."""
        return cls(repeated(rows, 1, groups, device), rows, 1, heads)

    @classmethod
    def sharing(cls, reads: Tensor, stored: int, heads: int) -> Readers:
        """Rows that are to read what they read of ``stored`` rows, (B, K), of which some are left out, or stand twice.

        What is to be stored is what :attr:`first` of the readers read.
        """
        groups, rows = reads.shape
        if stored == 1:
            return cls(repeated(rows, 1, groups, reads.device), 1, rows, heads)
        if not counts(reads.device):
            return cls.alone(groups, rows, heads, reads.device)
        readers = torch.zeros(groups, stored, dtype=torch.int64).scatter_add_(1, reads, torch.ones_like(reads))
        copies = (readers + SHARED - 1) // SHARED
        needed, each = int(copies.sum(1).max()), min(SHARED, int(readers.max()))
        if needed == rows:
            return cls.alone(groups, rows, heads, reads.device)
        ordered, order = reads.sort(dim=1, stable=True)
        before = (readers.cumsum(1) - readers).gather(1, ordered)
        rank = torch.arange(rows) - before  # among the rows that read the same
        place = (copies.cumsum(1) - copies).gather(1, ordered) + rank // SHARED
        places = torch.empty_like(reads).scatter_(1, order, place * each + rank % SHARED)
        return cls(places, needed, each, heads)

    @property
    def groups(self) -> int:
        """B."""
        return len(self.places)

    @property
    def rows(self) -> int:
        """K."""
        return self.places.shape[1]

    @property
    def own(self) -> bool:
        """Whether every row reads the stored row of its number, and no other does."""
        return self.each == 1

    @cached_property
    def reads(self) -> Tensor:
        """Which stored row (B, K) each row reads."""
        return self.places // self.each

    @cached_property
    def first(self) -> Tensor:
        """One of the readers (B, S) of each stored row; row 0 where it has none."""
        return self._readers[..., 0]

    def repeat(self, copies: int) -> Readers:
        """Those of rows that stand ``copies`` times, one after the other: they read the same."""
        stored, reader = self.places // self.each, self.places % self.each
        again = torch.arange(copies, device=self.places.device).view(1, -1, 1) * self.each
        places = (stored * (copies * self.each) + reader).unsqueeze(1) + again
        return Readers(places.flatten(1), self.stored, copies * self.each, self.heads)

    def gather(self, x: Tensor) -> Tensor:
        """Matrices (B * S * heads, G * n, m), one for each stored head, of x (B * K, heads, n, m)."""
        matrices = x.flatten(0, 1)
        if self.own:
            return matrices
        return matrices.index_select(0, self._gathering).view(-1, self.each * x.shape[2], x.shape[3])

    def scatter(self, matrices: Tensor, like: Tensor) -> Tensor:
        """The inverse of :meth:`gather`; ``like`` (B * K, heads, n, any) says the shape."""
        rows, heads, count, _ = like.shape
        if not self.own:
            matrices = matrices.view(-1, count, matrices.shape[-1]).index_select(0, self._scattering)
        return matrices.view(rows, heads, count, -1)

    @cached_property
    def _readers(self) -> Tensor:
        """The rows (B, S, G) at the places of each stored row; row 0 where there is none."""
        readers = self.places.new_zeros(self.groups, self.stored * self.each)
        rows = repeated(self.rows, 1, self.groups, self.places.device)
        return readers.scatter_(1, self.places, rows).view(self.groups, self.stored, self.each)

    @cached_property
    def _gathering(self) -> Tensor:
        """Which row of (B * K * heads) each row of (B * S * heads * G) is."""
        rows = flattened(self._readers.flatten(1), self.rows).view(-1, 1, self.each)
        return (rows * self.heads + torch.arange(self.heads, device=rows.device).view(1, -1, 1)).flatten()

    @cached_property
    def _scattering(self) -> Tensor:
        """Which row of (B * S * heads * G) each row of (B * K * heads) is."""
        stored = flattened(self.reads, self.stored).unsqueeze(1)
        heads = stored * self.heads + torch.arange(self.heads, device=stored.device)
        return (heads * self.each + (self.places % self.each).view(-1, 1)).flatten()
