"""k-means on the values of a column: the best start there is for few points, then Lloyd's steps."""

from __future__ import annotations

from typing import TYPE_CHECKING, final

import torch
from torch import Tensor

from ttf.binning import Bins, EdgeDiscretizer, midpoints
from ttf_kmeans.optimal import optimal_groups

if TYPE_CHECKING:
    from ttf.layout import Layout

POINTS = 256
"""Points that a start is found for; a column of more values is summarised by so many."""


@final
class KMeansDiscretizer(EdgeDiscretizer):
    """Every value belongs to the nearest of at most ``bins`` means, and decodes as that mean."""

    def __init__(self, layout: Layout, bins: int, iterations: int) -> None:
        super().__init__(layout, bins)
        self.iterations = iterations

    def column(self, values: Tensor) -> Bins:
        """The bins of one column's values (N,)."""
        distinct, counts = torch.unique(values, return_counts=True)  # (M,) increasing
        return _bins(distinct, cluster(distinct.double(), counts.double(), self.bins, self.iterations))


def cluster(values: Tensor, counts: Tensor, clusters: int, iterations: int) -> Tensor:
    """Means (K,), increasing, of clusters of weighted values, K at most ``clusters``.

    Args:
        values: (M,) float64, increasing.
        counts: (M,) how often each occurs.
        clusters: to make; fewer values have one each.
        iterations: steps at most.
    """
    wanted = min(clusters, len(values))
    groups = _start(values, counts, wanted)
    for _ in range(iterations):
        means = _means(values, counts, groups)
        if len(means) < wanted:  # some ran empty
            errors = counts * (values - means[groups]).square()
            means = torch.cat([means, values[errors.topk(wanted - len(means)).indices]]).sort().values
        nearest = torch.searchsorted((means[:-1] + means[1:]) / 2, values, right=True)
        nearest = torch.unique_consecutive(nearest, return_inverse=True)[1]  # numbered without gaps
        if torch.equal(nearest, groups):
            break
        groups = nearest
    return _means(values, counts, groups)


def _start(values: Tensor, counts: Tensor, wanted: int) -> Tensor:
    """The groups (M,) to begin with: the best ones of a summary, or equally many values in each of very many."""
    ranks = torch.arange(len(values))
    if wanted in (1, len(values)) or 2 * wanted > POINTS:
        return ranks * wanted // len(values)
    points = ranks * min(POINTS, len(values)) // len(values)  # (M,) which point stands for a value
    weights = values.new_zeros(int(points[-1]) + 1).index_add_(0, points, counts)
    return optimal_groups(_means(values, counts, points), weights, wanted)[points]


def _means(values: Tensor, counts: Tensor, groups: Tensor) -> Tensor:
    """The weighted mean (K,) of every group, between its smallest and its largest value despite rounding."""
    size = int(groups[-1]) + 1
    sums, totals = values.new_zeros(2, size).index_add_(1, groups, torch.stack([values * counts, counts]))
    firsts = torch.searchsorted(groups, torch.arange(size))
    lasts = torch.searchsorted(groups, torch.arange(size), right=True) - 1
    means: Tensor = (sums / totals).clamp(values[firsts], values[lasts])
    return means


def _bins(values: Tensor, means: Tensor) -> Bins:
    """Bins that hold what is nearest to each of the means (K,), for values (M,) float32."""
    centres = means.float()
    between = midpoints(centres[:-1], centres[1:])
    lower = torch.cat([values[:1], torch.where(between > centres[:-1], between, centres[1:])])
    upper = torch.maximum(values[-1:], torch.nextafter(lower[-1:], lower.new_tensor(torch.inf)))
    return Bins(torch.cat([lower, upper]), centres)
