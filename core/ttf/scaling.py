"""Observations and actions on scales that networks learn well from."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

if TYPE_CHECKING:
    from ttf.interfaces.learner import Transitions
    from ttf.layout import Layout

SMALLEST_DEVIATION = 1e-3
"""Added to the standard deviations of observations, as is usual, so that constant dimensions stay harmless."""


class Scaling(nn.Module):
    """Observations by mean and deviation, actions by range, kept in buffers; at first nothing is changed."""

    mean: Tensor  # (O,)
    deviation: Tensor  # (O,)
    centre: Tensor  # (A,)
    reach: Tensor  # (A,): from the centre to either end of the range

    def __init__(self, layout: Layout) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(layout.observation))
        self.register_buffer("deviation", torch.ones(layout.observation))
        self.register_buffer("centre", torch.zeros(layout.action))
        self.register_buffer("reach", torch.ones(layout.action))

    def fit(self, transitions: Transitions, *, observations: bool = True) -> None:
        """Learn the scales; those of the observations only if wanted."""
        if observations:
            deviation, mean = torch.std_mean(transitions.observations, dim=0, correction=0)
            self.mean.copy_(mean)
            self.deviation.copy_(deviation + SMALLEST_DEVIATION)
        low, high = transitions.actions.aminmax(dim=0)
        self.centre.copy_((low + high) / 2)
        self.reach.copy_(torch.where(high > low, (high - low) / 2, 1.0))

    def observations(self, observations: Tensor) -> Tensor:
        """Observations (..., O) with mean 0 and deviation 1."""
        return (observations - self.mean) / self.deviation

    def actions(self, actions: Tensor) -> Tensor:
        """Actions (..., A), those of the data between -1 and 1."""
        return (actions - self.centre) / self.reach

    def unscaled_actions(self, scaled: Tensor) -> Tensor:
        """The actions (..., A) that :meth:`actions` makes these of."""
        return self.centre + self.reach * scaled
