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
    moved[..., list(layout.subgoal_columns)] += discretizer.decode(tokens[..., layout.subgoals], layout.subgoals.start)
    return moved
