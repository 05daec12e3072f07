"""What discretizing loses: bins used, reconstruction error and entropy, column by column."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import torch

if TYPE_CHECKING:
    from ttf.episodes import Rows
    from ttf.interfaces.discretizer import Discretizer

SAMPLED_ROWS = 100_000
"""Rows that the errors and entropies are measured on, evenly spaced."""


def reconstruction(discretizer: Discretizer, rows: Rows, held_out: Rows | None) -> list[dict[str, Any]]:
    """A record per column: bins, range, error of decode(encode(x)) and entropy of the tokens in bits."""
    chosen = np.linspace(0, len(rows.values) - 1, min(SAMPLED_ROWS, len(rows.values))).astype(np.int64)
    sample = torch.from_numpy(rows.values[chosen]).to(discretizer.live.device)
    tokens = discretizer.encode(sample)
    errors = (discretizer.decode(tokens) - sample).abs()
    live = discretizer.live.sum(1)
    outside = _outside(discretizer, held_out)
    return [
        {
            "name": name,
            "live": int(live[column]),
            "dead": discretizer.bins - int(live[column]),
            "low": float(rows.values[:, column].min()),
            "high": float(rows.values[:, column].max()),
            "range": float(np.ptp(rows.values[:, column])),
            "error_mean": float(errors[:, column].mean()),
            "error_max": float(errors[:, column].max()),
            "entropy_bits": _entropy(tokens[:, column], discretizer.bins),
            "clipped_validation": outside[column],
        }
        for column, name in enumerate(rows.layout.names)
    ]


def _outside(discretizer: Discretizer, held_out: Rows | None) -> list[int]:
    """Per column, the held-out values beyond the bins."""
    if held_out is None:
        return [0] * discretizer.layout.width
    values = torch.from_numpy(held_out.values).to(discretizer.live.device)
    return [int(count) for count in discretizer.outside(values).sum(0)]


def _entropy(tokens: torch.Tensor, bins: int) -> float:
    shares = torch.bincount(tokens, minlength=bins).double() / len(tokens)
    return float(-(shares * shares.clamp(min=1e-300).log2()).sum())
