"""The running mean of a model's weights, which does better than the last ones where updates are noisy."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, final

from torch.optim.swa_utils import get_ema_multi_avg_fn

if TYPE_CHECKING:
    from ttf.interfaces.model import SequenceModel


@final
class MeanWeights:
    """A model with the exponential moving average of another's weights (Polyak and Juditsky 1992).

    Args:
        model: that is trained; what is averaged starts as a copy of it.
        decay: of the mean; at first ``(1 + step) / (10 + step)``, so that fresh weights are soon forgotten.
    """

    def __init__(self, model: SequenceModel, decay: float) -> None:
        self.model = copy.deepcopy(model).eval()
        self._decay = decay

    def update(self, model: SequenceModel, step: int) -> None:
        """Follow the weights as they are after an update, the ``step``-th."""
        decay = min(self._decay, (1 + step) / (10 + step))
        follow = get_ema_multi_avg_fn(decay)  # type: ignore[no-untyped-call]  # torch leaves it untyped
        follow(list(self.model.parameters()), list(model.parameters()), step)
