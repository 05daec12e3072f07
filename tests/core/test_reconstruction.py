"""What the report says of the bins is what plain loops find."""

from __future__ import annotations

import math
from collections import Counter

import numpy as np
import pytest
import torch
from tests.core.toys import corridor_rows, fitted

from ttf.episodes import Rows
from ttf.layout import Layout
from ttf.reconstruction import reconstruction

ROWS, HELD_OUT = corridor_rows(), corridor_rows(first=500, count=10)
DISCRETIZER = fitted(ROWS)


def test_every_column_is_described_as_a_loop_would() -> None:
    columns = reconstruction(DISCRETIZER, ROWS, HELD_OUT)
    assert [column["name"] for column in columns] == list(ROWS.layout.names)
    for at, column in enumerate(columns):
        values = ROWS.values[:, at]
        tokens = [int(DISCRETIZER.encode(torch.tensor([[value]]), at)) for value in values]
        decoded = [float(DISCRETIZER.decode(torch.tensor([[token]]), at)) for token in tokens]
        errors = [abs(a - float(b)) for a, b in zip(decoded, values, strict=True)]
        live = int(DISCRETIZER.live[at].sum())
        assert (column["live"], column["dead"]) == (live, 12 - live)
        assert (column["low"], column["high"]) == (float(values.min()), float(values.max()))
        assert column["range"] == pytest.approx(float(values.max()) - float(values.min()), rel=1e-6)
        assert column["error_mean"] == pytest.approx(sum(errors) / len(errors), rel=1e-5)
        assert column["error_max"] == pytest.approx(max(errors), rel=1e-5)
        shares = [count / len(tokens) for count in Counter(tokens).values()]
        assert column["entropy_bits"] == pytest.approx(-sum(p * math.log2(p) for p in shares), rel=1e-6)
        outside = (HELD_OUT.values[:, at] < values.min()) | (HELD_OUT.values[:, at] > values.max())
        assert column["clipped_validation"] == int(outside.sum())
    assert any(column["clipped_validation"] for column in columns)
    assert any(column["dead"] for column in columns)


def test_without_held_out_rows_nothing_is_clipped() -> None:
    assert {column["clipped_validation"] for column in reconstruction(DISCRETIZER, ROWS, None)} == {0}


def test_a_constant_column_loses_nothing_and_says_nothing() -> None:
    values = np.full((50, 4), 2.5, dtype=np.float32)
    rows = Rows(Layout(1, 1), values, np.array([50]), np.array([False]), values[:1, :0])
    for column in reconstruction(fitted(rows), rows, None):
        assert (column["error_max"], column["entropy_bits"], column["live"], column["range"]) == (0.0, 0.0, 1, 0.0)


def test_a_large_data_set_is_sampled_evenly(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ttf.reconstruction.SAMPLED_ROWS", 10)
    chosen = np.linspace(0, len(ROWS.values) - 1, 10).astype(int)
    sample = torch.from_numpy(ROWS.values[chosen])
    errors = (DISCRETIZER.decode(DISCRETIZER.encode(sample)) - sample).abs().mean(0).tolist()
    assert [column["error_mean"] for column in reconstruction(DISCRETIZER, ROWS, None)] == pytest.approx(errors)
