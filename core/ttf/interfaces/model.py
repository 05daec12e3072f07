"""SequenceModel: the next token, from all tokens at once or step by step, with the same result."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, Self, runtime_checkable

import torch
from torch import Tensor, nn

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ttf.layout import Layout

__all__ = ["HasAttention", "SequenceModel", "State", "flattened", "linear_weights", "repeated"]


@dataclass(frozen=True, kw_only=True)
class State(ABC):
    """What an incremental decoder remembers of the tokens it has read, for B groups of K rows.

    Row k of group g is flat row ``g * K + k``. A search has a group for each context; rows never leave their group, so
    that a model need not store for each of them what they have in common.
    """

    groups: int
    """Groups of rows, B."""

    rows: int = 1
    """Rows in each, K."""

    length: int = 0
    """Tokens read so far."""

    @abstractmethod
    def select(self, rows: Tensor) -> Self:
        """The state in which new row ``k`` of group ``g`` continues old row ``rows[g, k]`` of it; (B, K') int64.

        The rows may lie on another device than the state.
        """

    def repeat(self, copies: int) -> Self:
        """The state in which every group stands ``copies`` times, one after the other.

        The rows selected for it lie where the first of the state's tensors does.
        """
        held = (value.device for value in vars(self).values() if isinstance(value, Tensor))
        return self.select(repeated(self.rows, copies, self.groups, next(held, None)))

    def flat(self, rows: Tensor) -> Tensor:
        """Flat rows (B * K',) of what is selected by rows (B, K')."""
        return flattened(rows, self.rows)


def flattened(rows: Tensor, held: int) -> Tensor:
    """Flat rows (B * K',) of rows (B, K') of groups that hold ``held`` rows each."""
    return (torch.arange(len(rows), device=rows.device).unsqueeze(1) * held + rows).flatten()


def repeated(rows: int, copies: int, groups: int, device: torch.device | None = None) -> Tensor:
    """Rows (B, copies * K) of each group: all of them, one after the other, ``copies`` times."""
    return torch.arange(rows, device=device).repeat(copies).expand(groups, -1)


class SequenceModel(nn.Module, ABC):
    """Predicts trajectories token by token.

    Contract, as an equality: reading tokens with :meth:`step`, in blocks of any size and with rows selected and
    repeated in between, gives the logits that :meth:`forward` gives for the whole sequence. Every sequence starts at
    slot 0. ``logits[:, p]`` are about the token at ``p + 1``, over ``bins + 1`` tokens.

    Where the layout has goal dimensions, a sequence may be given a goal, which every prediction may depend on: tokens
    (B, G) int64, ``bins`` where it is unknown, as it all is without.
    """

    def __init__(self, layout: Layout, bins: int, context: int) -> None:
        super().__init__()
        self.layout = layout
        self.bins = bins
        self.context = context

    @property
    def block(self) -> int:
        """Tokens the model reads at most."""
        return self.layout.block(self.context)

    @abstractmethod
    def forward(self, tokens: Tensor, goal: Tensor | None = None) -> Tensor:
        """Logits (B, L, bins + 1) for tokens (B, L) int64, L at most ``block``, and perhaps a goal (B, G)."""

    @abstractmethod
    def start(self, batch: int, capacity: int, goal: Tensor | None = None) -> State:
        """An empty state for ``batch`` groups of one sequence of at most ``capacity`` tokens, perhaps a goal (B, G)."""

    def goal_tokens(self, goal: Tensor | None, batch: int) -> Tensor:
        """The goal's tokens (B, G) as the model reads them: all unknown if there is no goal.

        Raises:
            ValueError: there is a goal, but of other dimensions than the layout's.
        """
        if goal is None:
            device = next(self.parameters()).device
            return torch.full((batch, self.layout.goal), self.bins, dtype=torch.int64, device=device)
        if goal.shape != (batch, self.layout.goal):
            message = f"a goal of shape {tuple(goal.shape)}, but this model reads {(batch, self.layout.goal)}"
            raise ValueError(message)
        return goal

    @abstractmethod
    def step(self, tokens: Tensor, state: State) -> tuple[Tensor, State]:
        """Read tokens (B * K, n) int64 after what ``state`` has read.

        Returns:
            Logits (B * K, n, bins + 1) and the new state. The old state must not be used again, except
            through a ``select`` or a ``repeat`` made before.
        """

    def predict(self, tokens: Tensor, places: Tensor, goal: Tensor | None = None) -> Tensor:
        """As :meth:`forward`, but with the logits (B, P, bins + 1) after the tokens at places (P,) alone.

        Places are given in ascending order. Where the loss has no weight for some columns, training asks for the others
        only; a model that can save work by that does.
        """
        logits: Tensor = self(tokens, goal)
        return logits[:, places]

    def read(self, tokens: Tensor, state: State) -> tuple[Tensor, State]:
        """As :meth:`step`, but with the logits (B * K, bins + 1) of the last token alone.

        A model that can save work by that does.
        """
        logits, state = self.step(tokens, state)
        return logits[:, -1], state

    @abstractmethod
    def decayed_parameters(self) -> Iterable[nn.Parameter]:
        """The parameters that weight decay applies to."""


@runtime_checkable
class HasAttention(Protocol):
    """What a sequence model may offer beside its contract: to say where it looks."""

    def attention(self, tokens: Tensor, goal: Tensor | None = None) -> Tensor:
        """Weights (layers, B, heads, L, G + L) that the predictions after tokens (B, L) give to the goal and them.

        Every row sums to 1; nothing later has a weight.
        """
        ...


def linear_weights(module: nn.Module) -> list[nn.Parameter]:
    """The weight matrices of all linear maps in a module, what weight decay usually applies to."""
    return [layer.get_parameter("weight") for layer in module.modules() if isinstance(layer, nn.Linear)]
