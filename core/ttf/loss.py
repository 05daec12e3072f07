"""The training loss: cross-entropy per token, weighted by what the token stands for."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812  (the field's name for it)

if TYPE_CHECKING:
    from ttf.episodes import Batch
    from ttf.interfaces.discretizer import Discretizer
    from ttf.layout import Layout
    from ttf.sections import TrainingConfig


class TokenLoss:
    """Cross-entropy of the next token, by default without the bins that cannot occur."""

    def __init__(self, discretizer: Discretizer, config: TrainingConfig, length: int) -> None:
        layout = discretizer.layout
        device = discretizer.live.device
        slots = torch.tensor(layout.slots(length, start=1), device=device)  # of the targets
        self.parts = parts(layout)
        self.weights = _column_weights(layout, config).to(device)[slots]
        self._slots = slots
        self._width = layout.width
        dead = F.pad(~discretizer.live, (0, 1))[slots]  # (T, V); the stop token is never dead
        self._dead = dead if config.dead_bins == "masked" and bool(dead.any()) else None

    def per_token(self, logits: Tensor, targets: Tensor) -> Tensor:
        """Cross-entropy (B, T) of targets (B, T) under logits (B, T, V)."""
        if self._dead is not None:
            logits = logits.masked_fill(self._dead, -torch.inf)
        return F.cross_entropy(logits.flatten(0, 1).float(), targets.flatten(), reduction="none").view(targets.shape)

    def total(self, per_token: Tensor, mask: Tensor) -> Tensor:
        """The published loss: weighted, masked, and averaged over *all* tokens, counted or not."""
        return (per_token * self.weights * mask).mean()

    def __call__(self, logits: Tensor, batch: Batch) -> Tensor:
        """The loss of a batch."""
        return self.total(self.per_token(logits, batch.targets), batch.mask)

    def sums(self, logits: Tensor, batch: Batch) -> Tensor:
        """Per column, the sum of unweighted losses and the number of counted targets: (2, D)."""
        per_token = self.per_token(logits, batch.targets) * batch.mask
        zeros = per_token.new_zeros(self._width)
        return torch.stack(
            [zeros.index_add(0, self._slots, x.sum(0)) for x in (per_token, batch.mask.to(per_token.dtype))]
        )


def parts(layout: Layout) -> dict[str, slice]:
    """The columns of each part of a transition."""
    return {
        "observation": layout.observations,
        "action": layout.actions,
        "reward": slice(layout.reward, layout.reward + 1),
        "value": slice(layout.value, layout.value + 1),
    }


def _column_weights(layout: Layout, config: TrainingConfig) -> Tensor:
    """Weights (D,) of the columns."""
    weights = torch.ones(layout.width)
    weights[layout.observations] = config.observation_weight
    weights[layout.actions] = config.action_weight
    weights[layout.reward] = config.reward_weight
    weights[layout.value] = config.value_weight
    return weights
