"""Subgoals: where actions are to lead."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor

    from ttf.interfaces.discretizer import Discretizer


def destinations(discretizer: Discretizer, tokens: Tensor) -> Tensor:
    """The observations (..., O) of transitions of tokens (..., O + A or more), moved to where their subgoals lead."""
    layout = discretizer.layout
    moved = discretizer.decode(tokens[..., layout.observations], 0)
    ways = discretizer.decode(tokens[..., layout.subgoals], layout.subgoals.start)
    for place, column in enumerate(layout.subgoal_columns):  # a list as an index would be sent to the GPU every time
        moved[..., column] += ways[..., place]
    return moved
