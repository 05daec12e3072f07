"""Sampling a token from logits: temperature, top-p or the published cdf filter, top-k; seeded by uniforms."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

__all__ = ["Sampling", "draw"]

REMOVED = -1000.0
"""What the published code writes over a removed logit; when all are removed, all are equally likely."""


@dataclass(frozen=True)
class Sampling:
    """How logits become probabilities. The filters apply in the order of the fields."""

    temperature: float = 1.0
    reference_cdf: float | None = None
    top_p: float | None = None
    top_k: int | None = None

    def probabilities(self, logits: Tensor) -> Tensor:
        """Filtered and renormalised probabilities (..., V) of logits (..., V)."""
        return self.filtered(logits).softmax(-1)

    def log_probabilities(self, logits: Tensor) -> Tensor:
        """Their logarithms (..., V), -inf where a token is filtered out."""
        return self.filtered(logits).log_softmax(-1)

    def filtered(self, logits: Tensor) -> Tensor:
        """Logits (..., V) after the temperature and the filters."""
        logits = logits / self.temperature
        if self.reference_cdf is not None:
            logits = filter_reference_cdf(logits, self.reference_cdf)
        if self.top_p is not None:
            logits = filter_top_p(logits, self.top_p)
        if self.top_k is not None:
            logits = filter_top_k(logits, self.top_k)
        return logits


def filter_top_p(logits: Tensor, top_p: float) -> Tensor:
    """Keep the most likely tokens until their mass reaches ``top_p`` (nucleus sampling, Holtzman et al. 2020)."""
    probabilities, order = logits.softmax(-1).sort(descending=True, dim=-1)
    before = probabilities.cumsum(-1) - probabilities  # mass of the more likely tokens
    removed = torch.zeros_like(logits, dtype=torch.bool).scatter(-1, order, before >= top_p)
    return logits.masked_fill(removed, -torch.inf)


def filter_reference_cdf(logits: Tensor, threshold: float) -> Tensor:
    """The published cdf filter: remove the *least* likely tokens whose joint mass stays below ``threshold``.

    0.6 keeps about the top 40 % of the mass. As published, it also removes every token exactly as likely as
    the last removed one, be it all of them.
    """
    probabilities = logits.softmax(-1)
    ascending = ordered(probabilities)
    count = torch.searchsorted(ascending.cumsum(-1), torch.full_like(ascending[..., :1], threshold))
    largest = ascending.gather(-1, (count - 1).clamp(min=0)).masked_fill_(count == 0, -1.0)  # of those removed
    return torch.where(probabilities <= largest, logits.clamp(max=REMOVED), logits)  # what was impossible stays so


def ordered(numbers: Tensor) -> Tensor:
    """Numbers (..., V) in ascending order; on a processor as NumPy sorts them, ten times faster where V is small.

    Where more than the numbers is asked for, as gradients, PyTorch sorts.
    """
    if numbers.device.type != "cpu" or numbers.dtype.itemsize < 4 or not torch.is_inference_mode_enabled():
        return numbers.sort(-1).values
    copied = numbers.clone(memory_format=torch.contiguous_format)
    copied.numpy().sort(-1)
    return copied


def filter_top_k(logits: Tensor, top_k: int) -> Tensor:
    """Keep every token whose logit is at least the ``top_k``-th largest."""
    if top_k >= logits.shape[-1]:
        return logits
    least = logits.topk(top_k, dim=-1).values[..., -1:]
    return logits.masked_fill(logits < least, -torch.inf)


def draw(probabilities: Tensor, uniforms: Tensor) -> Tensor:
    """Tokens (...): the first j whose cumulative probability exceeds the uniform number.

    Args:
        probabilities: (..., V).
        uniforms: (...) in [0, 1).
    """
    cumulative = probabilities.cumsum(-1)
    tokens = torch.searchsorted(cumulative, uniforms.unsqueeze(-1).contiguous(), right=True).squeeze(-1)
    # Rounding can leave the last cumulative probability below the uniform number: the first token that reaches it then.
    last = torch.searchsorted(cumulative, cumulative[..., -1:].contiguous()).squeeze(-1)
    return torch.minimum(tokens, last).clamp(max=probabilities.shape[-1] - 1)  # even if they are no numbers
