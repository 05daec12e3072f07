"""Uniform binning."""

from __future__ import annotations

from typing import TYPE_CHECKING, final

import torch
from torch import Tensor

from ttf.binning import Bins, EdgeDiscretizer, few_values, midpoints

if TYPE_CHECKING:
    from ttf.layout import Layout


@final
class UniformDiscretizer(EdgeDiscretizer):
    """Bins of equal width between the smallest and the largest value.

    By default, a column of at most ``bins`` distinct values gets a bin for each, and edges closer than float32
    can tell apart are merged; ``reference`` does neither, and nudges values up before it searches.
    """

    def __init__(self, layout: Layout, bins: int, *, reference: bool = False) -> None:
        super().__init__(layout, bins, nudge=reference)
        self.reference = reference

    def column(self, values: Tensor) -> Bins:
        """Bins of equal width for values (N,)."""
        low, high = (bound.item() for bound in values.aminmax())
        edges = torch.linspace(low, high, self.bins + 1, dtype=torch.float64).float()
        if self.reference:
            return Bins(edges, midpoints(edges[:-1], edges[1:]))
        return few_values(values, self.bins) or _merged(edges)


def _merged(edges: Tensor) -> Bins:
    """Bins between the distinct edges, each decoding as its middle, or its lower edge where that is as near."""
    edges = torch.unique_consecutive(edges)
    middles = midpoints(edges[:-1], edges[1:])
    return Bins(edges, torch.where(middles < edges[1:], middles, edges[:-1]))
