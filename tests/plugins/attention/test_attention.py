"""Attention maps are those of the model's forward pass, averaged over windows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch
from tests.core.toys import CorridorData, Quiet, corridor_rows, fitted
from torch import Tensor, nn

from ttf.episodes import Rows
from ttf.errors import DataError
from ttf.interfaces.analysis import Subject
from ttf.interfaces.model import HasAttention
from ttf.layout import Layout
from ttf.testing import check_analysis
from ttf_plugins.attention import AttentionConfig
from ttf_plugins.gpt import GPTConfig
from ttf_plugins.lstm import LSTMConfig

if TYPE_CHECKING:
    from ttf.component import ModelConfig
    from ttf.findings import Findings
    from ttf.interfaces.model import SequenceModel

TRAINING, HELD_OUT = corridor_rows(), corridor_rows(500, 12)
DISCRETIZER = fitted(TRAINING)
D = TRAINING.layout.width


class Looking(nn.Module):
    """Looks where it is told: shares of attention to (transitions back, column), the same from everywhere."""

    def __init__(self, layout: Layout, context: int, shares: dict[tuple[int, int], float], *, striped: bool) -> None:
        super().__init__()
        self.layout, self.context, self.shares, self.striped = layout, context, shares, striped
        self.seen: list[Tensor] = []

    def attention(self, tokens: Tensor, goal: Tensor | None = None) -> Tensor:
        self.seen.append(tokens)
        batch, length = tokens.shape
        weights = torch.zeros(2, batch, 1, length, length)
        for position in range(length):
            predicted = position + 1
            begin = predicted - self.layout.slots(1, predicted)[0]
            for (back, column), share in self.shares.items():
                aim = self.layout.slots(1, predicted)[0] if self.striped else column
                weights[..., position, max(0, begin - back * D + aim)] += share
        return weights


def test_the_contract_of_analyses_is_kept() -> None:
    check_analysis(AttentionConfig(transitions=3, windows=20))


def subject(model: object, *, held_out: Rows = HELD_OUT, stride: int = 1) -> Subject:
    cpu = torch.device("cpu")
    return Subject(CorridorData(stride=stride), TRAINING, held_out, DISCRETIZER, model, cpu)  # type: ignore[arg-type]  # stand-ins


def find(about: Subject, **fields: Any) -> Findings:  # noqa: ANN401
    analysis = AttentionConfig(**fields).build()
    assert analysis.check(about) is None
    return analysis.run(about, seed=0, progress=Quiet())


def built(config: ModelConfig) -> SequenceModel:
    torch.manual_seed(0)
    model = config.build(TRAINING.layout, DISCRETIZER.bins)
    for parameter in model.parameters():
        nn.init.normal_(parameter, std=0.4)
    return model.eval().requires_grad_(requires_grad=False)


def test_maps_are_means_over_windows_of_the_last_predictions() -> None:
    model = built(GPTConfig(layers=2, heads=2, width=8, context=4))
    (figure,) = find(subject(model), transitions=3, windows=40).maps
    starts = HELD_OUT.starts(3, 1)
    chosen = [int(starts[i * len(starts) // 40]) for i in range(40)]
    windows = [torch.from_numpy(HELD_OUT.values[start : start + 3]) for start in chosen]
    assert isinstance(model, HasAttention)
    maps = torch.stack([model.attention(DISCRETIZER.encode(one).flatten()[None, :-1])[:, 0] for one in windows]).mean(0)
    assert [one.name for one in figure.maps] == [f"layer {i}, head {j}" for i in (1, 2) for j in (1, 2)]
    for one, expected in zip(figure.maps, maps.flatten(0, 1), strict=True):
        found = torch.tensor(one.values)
        torch.testing.assert_close(found, expected[-D:], atol=1e-6, rtol=1e-5)
        assert found.shape == (D, 3 * D - 1)
        assert found.sum(1).tolist() == pytest.approx([1.0] * D, abs=1e-5)
        assert not found[:, [D - 1, 2 * D - 1]].any()  # values are hidden
    assert figure.rows.names == list(TRAINING.layout.names)
    assert (figure.columns.names, figure.columns.groups) == (
        ["t\N{MINUS SIGN}2", "t\N{MINUS SIGN}1", "t"],
        [D, D, D - 1],
    )
    assert figure.columns.part_names == ["s", "a", "r", ""] * 2 + ["s", "a", "r"]
    assert figure.columns.parts == [2, 1, 1, 1] * 2 + [2, 1, 1]
    assert figure.abreast == 2


def test_windows_are_at_most_as_long_as_the_models_context_and_lie_a_stride_apart() -> None:
    model = built(GPTConfig(layers=1, heads=1, width=8, context=2))
    (figure,) = find(subject(model), transitions=5).maps
    assert figure.columns.groups == [D, D - 1]
    looking = Looking(TRAINING.layout, 3, {(0, 0): 1.0}, striped=False)
    find(subject(looking, stride=2), transitions=3, windows=10_000)
    windows = torch.cat(looking.seen)
    starts = HELD_OUT.starts(3, 2)
    assert len(windows) == len(starts)
    for window, start in zip(windows, starts, strict=True):
        values = torch.from_numpy(HELD_OUT.values[start : start + 5 : 2])
        assert window.equal(DISCRETIZER.encode(values).flatten()[:-1])


@pytest.mark.parametrize(
    ("shares", "striped", "row", "text"),
    [
        (
            {(0, 0): 0.25, (1, 1): 0.75},
            False,
            [25, 75, 0, 0.75 / 4, 0, 75, 0, 2, 0],
            "Of 2 heads, 0 give the column that they predict more than 3 times its even share of what they give to "
            "past transitions (striated); 2 give transitions earlier than the one before less than 1/3 of their even "
            "share (Markovian).",
        ),
        (
            {(1, 0): 0.2, (2, 0): 0.3, (3, 0): 0.5},
            True,
            [0, 20, 80, 100, 100, 0, 4, 0, 0],
            "Of 2 heads, 2 give the column that they predict more than 3 times its even share of what they give to "
            "past transitions (striated); 0 give transitions earlier than the one before less than 1/3 of their even "
            "share (Markovian).",
        ),
    ],
)
def test_shares_say_where_attention_goes(
    shares: dict[tuple[int, int], float], striped: bool, row: list[float], text: str
) -> None:
    found = find(subject(Looking(TRAINING.layout, 5, shares, striped=striped)))
    (table,) = found.tables
    assert table.columns[1:] == [
        "this transition",
        "the one before",
        "earlier ones",
        "same column before",
        "actions: past actions",
        "actions: past states",
        "actions: past actions, times even",
        "actions: past states, times even",
        "states: past actions, times even",
    ]
    for cells in table.rows:
        percent = [float(str(cell)) for cell in cells[1:]]
        if not striped:
            percent[3] /= 100  # one of four columns that are predicted and can be looked at
        assert percent == pytest.approx(row, rel=1e-5)
    assert len(table.rows) == 2
    assert found.text.endswith(text)


class Even(nn.Module):
    """Looks at all tokens alike, but for values that came before."""

    def __init__(self, context: int) -> None:
        super().__init__()
        self.layout, self.context = TRAINING.layout, context

    def attention(self, tokens: Tensor, goal: Tensor | None = None) -> Tensor:
        length = tokens.shape[1]
        weights = torch.ones(1, len(tokens), 1, length, length).tril()
        weights[..., D - 1 :: D] = 0
        return weights / weights.sum(-1, keepdim=True)


def test_a_head_that_looks_everywhere_alike_is_neither_markovian_nor_striated() -> None:
    for context in (3, 5):
        found = find(subject(Even(context)))
        assert "0 give the column that they predict" in found.text
        assert "0 give transitions earlier" in found.text
        (row,) = found.tables[0].rows
        assert row[-3:] == pytest.approx([1, 1, 1], rel=1e-6)


def test_windows_of_two_transitions_tell_nothing_of_markovian_heads() -> None:
    assert "Markovian" in find(subject(Even(3))).text
    text = find(subject(Even(2))).text
    assert "(striated)." in text
    assert "Markovian" not in text


@pytest.mark.parametrize(
    ("config", "reason"),
    [
        (LSTMConfig(layers=1, width=8, context=3), "the model (LSTM) has no attention; a gpt has"),
        (
            GPTConfig(layers=1, heads=1, width=8, context=1),
            "a model of single transitions looks at none before; model.context 2",
        ),
    ],
)
def test_a_model_that_looks_at_nothing_before_is_not_asked(config: ModelConfig, reason: str) -> None:
    assert AttentionConfig().build().check(subject(built(config))) == reason


def test_episodes_that_are_too_short_are_named_in_a_line() -> None:
    short = HELD_OUT.select(np.flatnonzero(HELD_OUT.lengths < 8))
    longest = int(short.lengths.max())
    with pytest.raises(DataError) as error:
        AttentionConfig().build().check(
            subject(Looking(TRAINING.layout, 5, {}, striped=False), held_out=short, stride=3)
        )
    assert str(error.value) == (
        "attention: no episode is long enough: 5 transitions need 13 recorded steps, the longest of the held-out "
        f"episodes has {longest}; lower transitions"
    )
