"""Attention by PyTorch, on a processor without the hidden half, and dropout from few random numbers."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812  (the field's name for it)

if TYPE_CHECKING:
    from collections.abc import Sequence

CHUNK = 64
"""Queries that attend together: fewer leave out more of what is hidden, and make smaller matrices."""

_PER_NUMBER = 4
"""Decisions made with one random number of 64 bits."""


class Dropout(nn.Dropout):
    """As its base; on a processor, of every 64 random bits 16 decide on an element.

    Its probability is that of its base rounded to a multiple of 2 ** -16, and what is kept is scaled by the inverse of
    just that.
    """

    def forward(self, x: Tensor) -> Tensor:
        """The elements of x, some of them 0."""
        return dropout(x, self.p) if self.training else x


def dropout(x: Tensor, probability: float) -> Tensor:
    """Elements of x, each 0 with some probability, and scaled so that their expectation stays the same."""
    if probability == 0:
        return x
    if x.device.type != "cpu" or torch.compiler.is_compiling():
        return F.dropout(x, probability)
    return x * _scales(x.shape, probability, x.dtype)


def _scales(shape: Sequence[int], probability: float, dtype: torch.dtype) -> Tensor:
    """What elements are multiplied by: 0, or the inverse of the probability of not being 0."""
    count, dropped = math.prod(shape), round(probability * 2**16)
    numbers = torch.empty(-(-count // _PER_NUMBER), dtype=torch.int64).random_(-(2**63), None)
    scales = torch.empty(*shape, dtype=dtype)
    torch.ge(numbers.view(torch.int16)[:count].view(*shape), dropped - 2**15, out=scales)
    return scales.mul_(2**16 / (2**16 - dropped))


def attend(q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None, probability: float) -> Tensor:
    """Scaled dot-product attention, with dropout of its weights.

    Args:
        q: queries (B, heads, n, size).
        k: keys (B, heads, m, size).
        v: values (B, heads, m, size).
        mask: which keys each query sees (n, m) bool, some, and none after the last of the next query's; None for all.
        probability: of dropping a weight.
    """
    if mask is None or q.device.type != "cpu" or torch.compiler.is_compiling():
        return F.scaled_dot_product_attention(q, k, v, attn_mask=mask, dropout_p=probability)
    chunks = zip(torch.split(q, CHUNK, dim=2), torch.split(mask, CHUNK), strict=True)
    ends = [(queries, seen, int(seen[-1].nonzero()[-1]) + 1) for queries, seen in chunks]
    pieces = [_attend(q, k[:, :, :end], v[:, :, :end], seen[:, :end], probability) for q, seen, end in ends]
    return torch.cat(pieces, dim=2)


def _attend(q: Tensor, k: Tensor, v: Tensor, mask: Tensor, probability: float) -> Tensor:
    """As ``attend``, on a processor."""
    if probability == 0 and q.dtype == torch.float32:  # in bfloat16, processors take ages for the kernel's gradient
        return F.scaled_dot_product_attention(q, k, v, attn_mask=mask)
    hidden = torch.zeros(mask.shape, dtype=q.dtype).masked_fill(~mask, -torch.inf)
    scores = q @ k.transpose(-1, -2) / math.sqrt(q.shape[-1]) + hidden
    return dropout(scores.softmax(-1), probability) @ v
