"""What share of a head's attention goes where, and what that says of the head."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch.nn import functional as F  # noqa: N812  (the field's name for it)

from ttf.findings import Table

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch import Tensor

    from ttf.layout import Layout

APART = 3.0
"""Times its even share that a head must give, or fall short of, to be called striated or Markovian."""

PATTERNED = 3
"""Transitions of the shortest windows in which a head can be Markovian: one of them is earlier than the one before."""


@dataclass(frozen=True)
class Shares:
    """Where a head's attention goes, averaged over the columns that it predicts."""

    goal: float
    this: float
    before: float
    earlier: float
    even: float
    """What earlier transitions would get of the same predictions if all tokens got the same, but for the goal's."""

    same: float
    """To the column that is predicted, in past transitions; values leave nothing to look at and do not count."""

    past: float
    """To all columns of past transitions, averaged over the same predictions."""

    actions_to_actions: float
    actions_to_states: float
    action_by_action: float
    """Times its even share of past transitions that a past action dimension gets from the predictions of actions."""

    state_by_action: float
    """The same of a past state dimension."""

    action_by_state: float
    """What a past action dimension gets from the predictions of states."""


def measure(weights: Tensor, layout: Layout, count: int) -> Shares:
    """The shares of a map (D, G + L)."""
    to_goal, to_tokens = torch.split(weights, [layout.goal, weights.shape[1] - layout.goal], dim=1)
    blocks = F.pad(to_tokens, (0, 1)).view(layout.width, count, layout.width)  # from column, to transition and column
    past = blocks[:, :-1].sum(1)  # (D, D)
    by_transition = blocks.sum((0, 2)) / layout.width
    acting, observing = past[layout.actions], past[layout.observations]
    visible = layout.block(1)  # columns of a past transition, whose value is hidden
    written = torch.arange(layout.width)  # columns of the transition that is predicted, before each of its own
    far = (count - 2) * visible / (written + (count - 1) * visible)
    return Shares(
        goal=float(to_goal.sum(1).mean()),
        this=float(by_transition[-1]),
        before=float(by_transition[-2]),
        earlier=float(by_transition[:-2].sum()),
        even=float(((1 - to_goal.sum(1)) * far).mean()),
        same=float(past.diagonal()[: layout.value].mean()),
        past=float(past[: layout.value].sum(1).mean()),
        actions_to_actions=float(acting[:, layout.actions].sum(1).mean()),
        actions_to_states=float(acting[:, layout.observations].sum(1).mean()),
        action_by_action=_times_even(acting, layout.actions, visible),
        state_by_action=_times_even(acting, layout.observations, visible),
        action_by_state=_times_even(observing, layout.actions, visible),
    )


def _times_even(past: Tensor, columns: slice, visible: int) -> float:
    """What columns get of attention (n, D) to past transitions, over their part if all ``visible`` got the same."""
    return float(past[:, columns].mean() / (past.sum(1).mean() / visible))


def patterns(shares: list[Shares], layout: Layout, count: int) -> str:
    """How many heads are striated and, where windows tell, Markovian."""
    even = 1 / layout.block(1)  # values are hidden
    striated = sum(share.same > APART * even * share.past for share in shares)
    said = (
        f"Of {len(shares)} heads, {striated} give the column that they predict more than {APART:g} times its even "
        "share of what they give to past transitions (striated)"
    )
    if count < PATTERNED:
        return f"{said}."
    markovian = sum(share.earlier < share.even / APART for share in shares)
    return (
        f"{said}; {markovian} give transitions earlier than the one before less than 1/{APART:g} of their even share "
        "(Markovian)."
    )


def table(shares: Mapping[str, Shares], layout: Layout) -> Table:
    """The shares of every head by name."""
    columns = {"this transition": "this", "the one before": "before", "earlier ones": "earlier"}
    columns |= {"same column before": "same", "actions: past actions": "actions_to_actions"}
    columns |= {"actions: past states": "actions_to_states"} | ({"goal": "goal"} if layout.goal else {})
    times = {"actions: past actions": "action_by_action", "actions: past states": "state_by_action"}
    times |= {"states: past actions": "action_by_state"}
    return Table(
        "Where attention goes",
        "In percent of a head's attention, averaged over the columns that are predicted, or over those of actions or "
        "states. Times even: over what a past action or state would get if all past columns got the same.",
        ["head", *columns, *(f"{name}, times even" for name in times)],
        [
            [
                name,
                *(100 * getattr(share, field) for field in columns.values()),
                *(getattr(share, field) for field in times.values()),
            ]
            for name, share in shares.items()
        ],
    )
