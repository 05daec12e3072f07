"""Choosing the next token of one row, written to be obviously right: a full forward, and plain lists."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from torch import Tensor

    from ttf.interfaces.discretizer import Discretizer
    from ttf.interfaces.model import SequenceModel
    from ttf.reader import SearchSettings
    from ttf.sampling import Sampling


def cropped(tokens: list[int], limit: int, width: int) -> list[int]:
    """Drop whole transitions from the left until the limit is kept."""
    while len(tokens) > limit:
        tokens = tokens[width:]
    return tokens


def filtered(logits: Tensor, sampling: Sampling) -> list[float]:
    """The published filters (facts page, section 1.6) and a correct top-p, token by token."""
    logits = logits / sampling.temperature
    if sampling.reference_cdf is not None:
        order = logits.softmax(-1).sort().values.tolist()
        total, bound = 0.0, None
        for probability in order:
            total += probability
            if total >= sampling.reference_cdf:
                break
            bound = probability
        removed = [bound is not None and p <= bound for p in logits.softmax(-1).tolist()]
        logits = torch.where(torch.tensor(removed), logits.clamp(max=-1000.0), logits)
    if sampling.top_p is not None:
        probabilities = logits.softmax(-1).tolist()
        kept, mass = [], 0.0
        for j in sorted(range(len(probabilities)), key=lambda j: -probabilities[j]):
            if mass >= sampling.top_p:
                break
            kept.append(j)
            mass += probabilities[j]
        logits = torch.tensor(
            [x if j in kept else -torch.inf for j, x in enumerate(logits.tolist())], dtype=logits.dtype
        )
    if sampling.top_k is not None:
        least = sorted(logits.tolist(), reverse=True)[min(sampling.top_k, len(logits)) - 1]
        logits = torch.tensor([x if x >= least else -torch.inf for x in logits.tolist()], dtype=logits.dtype)
    return [float(p) for p in logits.softmax(-1)]


def first_above(probabilities: list[float], uniform: float) -> int:
    """The first token whose cumulative probability exceeds the number."""
    total = 0.0
    for j, probability in enumerate(probabilities):
        total += probability
        if total > uniform:
            return j
    return max(j for j, probability in enumerate(probabilities) if probability > 0)


def next_logits(
    model: SequenceModel, discretizer: Discretizer, settings: SearchSettings, row: list[int], column: int
) -> Tensor:
    """What the model makes of the end of a row, without the tokens that cannot stand in the column after it."""
    shown = cropped(row, settings.limit, model.layout.width)
    logits: Tensor = model(torch.tensor([shown]))[0, -1].clone()
    if settings.stop == "end":
        for token in range(discretizer.bins):
            if not discretizer.live[column, token]:
                logits[token] = -torch.inf
        if column > 0:
            logits[discretizer.stop] = -torch.inf
    return logits
