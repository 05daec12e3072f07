"""Decoder: planning as decoding."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch
    from torch import Tensor

__all__ = ["Decoder", "Plan"]


@dataclass(frozen=True)
class Plan:
    """The best continuation found for every context."""

    tokens: Tensor
    """Planned transitions (B, horizon, D) int64; the first one starts with the current observation."""

    score: Tensor
    """What the decoder maximised, (B,)."""

    actions: Tensor | None = None
    """Actions (B, n, A) of the first n transitions in their own units, where others than those of the tokens are to be
    taken; the plan is followed no further than n."""

    reached: int | None = None
    """The widest beam there was time for, where there is a deadline."""

    late: float | None = None
    """Seconds after the deadline, 0 in time."""

    @property
    def transitions(self) -> int:
        """How many transitions can be followed."""
        return self.tokens.shape[1] if self.actions is None else self.actions.shape[1]

    def select(self, rows: Tensor) -> Plan:
        """The plans of some contexts, (B',) int64."""
        actions = None if self.actions is None else self.actions[rows]
        return replace(self, tokens=self.tokens[rows], score=self.score[rows], actions=actions)


class Decoder(ABC):
    """Plans for a batch of contexts at once."""

    @abstractmethod
    def plan(self, context: Tensor, generator: torch.Generator, goal: Tensor | None = None) -> Plan:
        """Plan from contexts (B, n * D + O) int64: n past transitions and the current observation.

        Where the model can be given goals, ``goal`` (B, G) is what is to be reached; None if it is unknown.
        All randomness comes from ``generator``.
        """
