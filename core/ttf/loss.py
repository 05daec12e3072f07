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


EVERYWHERE = slice(None)


class TokenLoss:
    """Cross-entropy of the next token, by default without the bins that cannot occur."""

    def __init__(self, discretizer: Discretizer, config: TrainingConfig, length: int) -> None:
        layout = discretizer.layout
        device = discretizer.live.device
        slots = torch.tensor(layout.slots(length, start=1), device=device)  # of the targets
        self.parts = parts(layout)
        self.weights = _column_weights(layout, config).to(device)[slots]
        wanted = torch.nonzero(self.weights)[:, 0]
        self.places = wanted if len(wanted) < length else None
        """Where targets have a weight (P,), if some have none."""
        self._slots = slots
        self._width = layout.width
        dead = F.pad(~discretizer.live, (0, 1))[slots]  # (T, V); the stop token is never dead
        self._dead = dead if config.dead_bins == "masked" and bool(dead.any()) else None

    def per_token(self, logits: Tensor, targets: Tensor, places: Tensor | slice = EVERYWHERE) -> Tensor:
        """Cross-entropy (B, P) of targets (B, P) under logits (B, P, V), all at places (P,)."""
        if self._dead is not None:
            logits = logits.masked_fill(self._dead[places], -torch.inf)
        return F.cross_entropy(logits.flatten(0, 1).float(), targets.flatten(), reduction="none").view(targets.shape)

    def __call__(self, logits: Tensor, batch: Batch, places: Tensor | None = None) -> Tensor:
        """The published loss of a batch: weighted, masked, and averaged over *all* tokens, counted or not.

        Logits (B, P, V) may be those at places (P,) alone, outside of which targets must have no weight.
        """
        at = EVERYWHERE if places is None else places
        per_token = self.per_token(logits, batch.targets[:, at], at)
        return (per_token * self.weights[at] * batch.mask[:, at]).sum() / batch.targets.numel()

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
