"""Bins of equal width in a power of the values."""

from __future__ import annotations

from typing import TYPE_CHECKING, final

import torch
from torch import Tensor
from ttf.binning import Bins, EdgeDiscretizer, grouped_bins

if TYPE_CHECKING:
    from ttf.layout import Layout


@final
class MyDiscretizer(EdgeDiscretizer):
    """Groups values by the bin that their power falls into.

    The base class does the rest of the contract; one that is not made of edges is a
    :class:`ttf.interfaces.discretizer.Discretizer`.
    """

    def __init__(self, layout: Layout, bins: int, power: float) -> None:
        super().__init__(layout, bins)
        self.power = power

    def column(self, values: Tensor) -> Bins:
        """The bins of one column's values (N,)."""
        distinct = torch.unique(values)  # (M,) increasing
        bent = distinct.double().abs().pow(self.power) * distinct.sign()
        share = (bent - bent[0]) / (bent[-1] - bent[0]).clamp(min=1e-300)
        return grouped_bins(distinct, (share * self.bins).long().clamp(max=self.bins - 1))
