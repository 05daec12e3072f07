"""The forward pass of a training: compiled where that is wanted and works."""

from __future__ import annotations

from textwrap import shorten
from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import Tensor

    from ttf.interfaces.model import SequenceModel


class Forward:
    """Calls a model, compiled or as it is.

    A machine may lack what compiling needs, such as a C++ compiler, and a model may do what cannot be compiled. It is
    then called as it is from then on, and a note says so.

    Args:
        model: whose weights are shared, compiled or not.
        compiled: whether to try.
        places: where logits are wanted (P,); None for everywhere.
    """

    def __init__(self, model: SequenceModel, *, compiled: bool, places: Tensor | None = None) -> None:
        self._model: Callable[[Tensor, Tensor], Tensor] = model
        if places is not None:
            self._model = lambda tokens, goal: model.predict(tokens, places, goal)
        self._compiled: Callable[[Tensor, Tensor], Tensor] | None = torch.compile(self._model) if compiled else None
        self.note: Callable[[str], object] = lambda _: None
        """Takes the note."""

    def __call__(self, tokens: Tensor, goal: Tensor) -> Tensor:
        """Logits (B, L or P, bins + 1) of tokens (B, L) and goals (B, G)."""
        if self._compiled is not None:
            from torch._dynamo.exc import TorchDynamoException

            try:
                return self._compiled(tokens, goal)
            except TorchDynamoException as error:
                self._compiled = None
                why = shorten(str(error).strip().partition("\n\n")[0], 300)  # what follows is advice on debugging
                self.note(f"the model cannot be compiled here, and is trained as it is: {why}")
        return self._model(tokens, goal)
