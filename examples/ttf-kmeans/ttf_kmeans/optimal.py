"""The best clusters of few points on a line, by dynamic programming (Wang and Song 2011)."""

from __future__ import annotations

import torch
from torch import Tensor


def optimal_groups(points: Tensor, weights: Tensor, clusters: int) -> Tensor:
    """The groups (P,) of weighted points (P,), increasing, with the least squared distance from their means.

    Args:
        points: (P,) float64.
        weights: (P,) more than 0.
        clusters: at most P; so many groups there are.
    """
    costs = _costs(points, weights)
    best, cuts = costs[0], []  # (P,): of points 0 .. j in one cluster, then in two, ...
    for _ in range(clusters - 1):
        best, first = (best[:-1].unsqueeze(1) + costs[1:]).min(0)  # the last cluster begins at point first + 1
        cuts.append(first + 1)
    groups = torch.zeros(len(points), dtype=torch.int64)
    end = len(points) - 1
    for cut in reversed(cuts):
        begin = int(cut[end])
        groups[begin:] += 1
        end = begin - 1
    return groups


def _costs(points: Tensor, weights: Tensor) -> Tensor:
    """What points i .. j cost as one cluster, (P, P); infinite where i > j.

    Points are added one by one, so that no large numbers cancel.
    """
    size = len(points)
    costs = points.new_full((size, size), torch.inf)
    weight, mean, cost = points.new_zeros(size), points.clone(), points.new_zeros(size)
    for j in range(size):
        begun = slice(0, j + 1)
        share = weights[j] / (weight[begun] + weights[j])
        distance = points[j] - mean[begun]
        cost[begun] += weight[begun] * share * distance.square()
        mean[begun] += share * distance
        weight[begun] += weights[j]
        costs[begun, j] = cost[begun]
    return costs
