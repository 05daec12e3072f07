"""The analysis `discretizer` says what encoding and decoding do to the values."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from tests.core.toys import CorridorData, Quiet, corridor_rows, fitted

from ttf.findings import Findings
from ttf.interfaces.analysis import Subject
from ttf.testing import check_analysis
from ttf_plugins.discretizer import DiscretizerAnalysisConfig

TRAINING, HELD_OUT = corridor_rows(), corridor_rows(500, 10)
DISCRETIZER = fitted(TRAINING)


def test_the_contract_of_analyses_is_kept() -> None:
    check_analysis(DiscretizerAnalysisConfig())


def findings(*, held_out: bool = True) -> Findings:
    rows = HELD_OUT if held_out else HELD_OUT.select(np.arange(0))
    subject = Subject(CorridorData(), TRAINING, rows, DISCRETIZER, None, torch.device("cpu"))
    return DiscretizerAnalysisConfig().build().run(subject, seed=0, progress=Quiet())


def test_the_table_is_what_encoding_and_decoding_do_to_held_out_values() -> None:
    (table,) = findings().tables
    values = torch.from_numpy(HELD_OUT.values)
    tokens = DISCRETIZER.encode(values)
    errors = (DISCRETIZER.decode(tokens) - values).abs()
    spans = np.ptp(TRAINING.values, axis=0)
    for column, (name, live, dead, low, high, mean, largest, entropy, outside) in enumerate(table.rows):
        assert name == TRAINING.layout.names[column]
        assert live == int(DISCRETIZER.live[column].sum())
        assert (live, dead) == (live, 12 - live)
        assert low == TRAINING.values[:, column].min()
        assert high == TRAINING.values[:, column].max()
        assert mean == pytest.approx(float(100 * errors[:, column].mean()) / spans[column], rel=1e-5)
        assert largest == pytest.approx(float(100 * errors[:, column].max()) / spans[column], rel=1e-5)
        shares = np.bincount(tokens[:, column].numpy()) / len(tokens)
        assert entropy == pytest.approx(-sum(p * math.log2(p) for p in shares if p), rel=1e-6)
        assert outside == int(DISCRETIZER.outside(values)[:, column].sum())
    assert len(table.rows) == 5


def test_the_figures_compare_training_with_held_out_episodes() -> None:
    errors, entropies = findings().bars
    assert [bars.name for bars in errors.bars] == ["training episodes", "held-out episodes"]
    assert errors.bars[1].values == [row[5] for row in findings().tables[0].rows]
    assert entropies.bars[1].values == [row[7] for row in findings().tables[0].rows]
    limits = entropies.bars[2].values
    assert limits == [math.log2(int(count)) for count in DISCRETIZER.live.sum(1)]
    for bars in entropies.bars[:2]:
        for bits, limit in zip(bars.values, limits, strict=True):
            assert bits is not None
            assert limit is not None
            assert 0 < bits <= limit


def test_the_text_says_which_column_loses_most() -> None:
    rows = findings().tables[0].rows
    worst = max(rows, key=lambda row: float(str(row[5])))
    dead = sum(int(str(row[2])) for row in rows)
    outside = sum(int(str(row[8])) for row in rows)
    assert findings().text == (
        "Every value of held-out episodes is encoded as a token and decoded again. The mean error is largest for "
        f"{worst[0]}, {worst[5]:.2g} % of its range. Of 60 bins {dead} are dead: no training value falls into them. "
        f"{outside} of {5 * len(HELD_OUT.values):,} values lie outside the bins and are clipped."
    )


def test_without_held_out_episodes_those_of_the_training_are_measured() -> None:
    found = findings(held_out=False)
    assert found.text.startswith("Every value of training episodes (none were held out) is encoded")
    assert [bars.name for bars in found.bars[0].bars] == ["training episodes"]
    assert found.bars[0].bars[0].values == [row[5] for row in found.tables[0].rows]
