"""SequenceModel: the next token, from all tokens at once or step by step, with the same result."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Protocol, Self, runtime_checkable

import torch
from torch import Tensor, nn

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ttf.layout import Layout


class State(Protocol):
    """What an incremental decoder remembers of the tokens it has read."""

    @property
    def length(self) -> int:
        """Tokens read so far."""
        ...

    def select(self, rows: Tensor) -> Self:
        """The state in which new row ``i`` continues old row ``rows[i]``; rows is (B',) int64."""
        ...


class SequenceModel(nn.Module, ABC):
    """Predicts trajectories token by token.

    Contract, as an equality: reading tokens with :meth:`step`, in blocks of any size and with rows selected
    in between, gives the logits that :meth:`forward` gives for the whole sequence. Every sequence starts at
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
        """An empty state for ``batch`` sequences of at most ``capacity`` tokens, and perhaps a goal (B, G)."""

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
        """Read tokens (B, n) after what ``state`` has read.

        Returns:
            Logits (B, n, bins + 1) and the new state. The old state must not be used again, except
            through a ``select`` made before.
        """

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
