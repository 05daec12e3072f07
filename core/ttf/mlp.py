"""Multilayer perceptrons."""

from __future__ import annotations

from itertools import pairwise

from torch import nn


def mlp(inputs: int, outputs: int, *, hidden: int, layers: int) -> nn.Sequential:
    """Linear maps with ``layers`` hidden layers of ``hidden`` rectified units between them."""
    sizes = [inputs, *[hidden] * layers]
    inner = [module for size, after in pairwise(sizes) for module in (nn.Linear(size, after), nn.ReLU())]
    return nn.Sequential(*inner, nn.Linear(sizes[-1], outputs))
