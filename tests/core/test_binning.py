"""What both built-in discretizers inherit, on any finite data."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from ttf.binning import Bins, EdgeDiscretizer, _lower_edges, _search, _starts, grouped_bins, midpoints
from ttf.errors import DataError
from ttf.layout import Layout
from ttf_plugins.quantile import QuantileConfig
from ttf_plugins.uniform import UniformConfig

if TYPE_CHECKING:
    from collections.abc import Callable

LAYOUT = Layout(observation=1, action=1)  # D = 4
FLOATS = st.floats(width=32, allow_nan=False, allow_infinity=False)
ATOMS = st.sampled_from([0.0, -0.0, 1.0, 1.0000001192092896, -100.0, 3.4028234663852886e38, 1.401298464324817e-45])
COLUMNS = st.lists(FLOATS | ATOMS, min_size=1, max_size=60)

either = pytest.mark.parametrize("config", [QuantileConfig, UniformConfig])


def fitted(config: Callable[..., QuantileConfig | UniformConfig], column: list[float], bins: int) -> EdgeDiscretizer:
    discretizer = config(bins=bins).build(LAYOUT)
    assert isinstance(discretizer, EdgeDiscretizer)
    discretizer.fit(torch.tensor(column)[:, None].expand(-1, LAYOUT.width))
    return discretizer


@either
@given(column=COLUMNS, bins=st.integers(2, 20))
@settings(max_examples=150, deadline=None)
def test_edges_of_live_bins_increase_strictly(
    config: Callable[..., QuantileConfig | UniformConfig], column: list[float], bins: int
) -> None:
    discretizer = fitted(config, column, bins)
    live = discretizer.live[0]
    edges = discretizer.edges[0]
    count = int(live.sum())
    assert live[:count].all()
    assert (edges[1 : count + 1] > edges[:count]).all()
    assert torch.isfinite(edges).all()
    assert (edges[count:] == edges[count]).all()


@either
@given(column=COLUMNS, bins=st.integers(2, 20))
@settings(max_examples=150, deadline=None)
def test_live_tokens_survive_decoding(
    config: Callable[..., QuantileConfig | UniformConfig], column: list[float], bins: int
) -> None:
    discretizer = fitted(config, column, bins)
    tokens = discretizer.live[0].nonzero().expand(-1, LAYOUT.width)
    assert torch.equal(discretizer.encode(discretizer.decode(tokens)), tokens)


@either
@given(column=COLUMNS, others=COLUMNS, bins=st.integers(2, 20))
@settings(max_examples=150, deadline=None)
def test_tokens_are_live_and_ordered_and_values_come_back_within_a_bin(
    config: Callable[..., QuantileConfig | UniformConfig], column: list[float], others: list[float], bins: int
) -> None:
    discretizer = fitted(config, column, bins)
    values = torch.tensor(column + others).sort().values[:, None]
    tokens = discretizer.encode(values, at=2)
    assert discretizer.live[2, tokens].all()
    assert (tokens.diff(dim=0) >= 0).all()
    inside = ~discretizer.outside(values, at=2)
    assert inside[torch.isin(values, torch.tensor(column))].all()
    error = (values.double() - discretizer.decode(tokens, at=2).double()).abs()
    width = discretizer.edges[2].double().diff()[tokens]
    assert (error <= width)[inside].all()


@either
@given(column=st.lists(FLOATS, min_size=1, max_size=12), bins=st.integers(12, 20))
@settings(max_examples=100, deadline=None)
def test_few_distinct_values_come_back_exactly(
    config: Callable[..., QuantileConfig | UniformConfig], column: list[float], bins: int
) -> None:
    discretizer = fitted(config, column, bins)
    values = torch.tensor(column)[:, None].expand(-1, LAYOUT.width)
    limit = 3.4028232635611926e38  # the largest float below the largest
    assert torch.equal(discretizer.decode(discretizer.encode(values)), values.clamp(max=limit))
    assert int(discretizer.live[0].sum()) == len(torch.unique(values[:, 0].clamp(max=limit)))


@either
def test_float64_rows_are_rounded_to_float32_before_anything_else(
    config: Callable[..., QuantileConfig | UniformConfig],
) -> None:
    rows = torch.randn(1000, LAYOUT.width, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    discretizer, rounded = config(bins=10).build(LAYOUT), config(bins=10).build(LAYOUT)
    discretizer.fit(rows)
    rounded.fit(rows.float())
    assert torch.equal(discretizer.encode(rows), rounded.encode(rows.float()))
    assert not discretizer.outside(rows).any()


def test_values_between_two_bins_belong_to_the_nearer_group() -> None:
    bins = grouped_bins(torch.tensor([0.0, 1.0, 5.0, 7.0]), torch.tensor([0, 0, 1, 1]))
    assert bins.edges.tolist() == [0.0, 3.0, 7.0]
    assert bins.representatives.tolist() == [0.5, 6.0]


def test_midpoints_of_the_largest_floats_do_not_overflow() -> None:
    largest = torch.tensor([3e38])
    assert midpoints(largest, largest).tolist() == largest.tolist()


@pytest.mark.parametrize(
    ("bad", "found"), [(float("nan"), "nan"), (float("inf"), "inf"), (-float("inf"), "-inf"), (1e300, "inf")]
)
def test_a_value_that_is_not_finite_is_refused_with_its_place(bad: float, found: str) -> None:
    rows = torch.zeros(4, LAYOUT.width, dtype=torch.float64)
    discretizer = UniformConfig(bins=4).build(LAYOUT)
    discretizer.fit(rows)
    rows[3, 2] = bad
    message = f"discretizer: row 3, column 2 (reward) is {found}; expected a finite float32"
    for call in (discretizer.fit, discretizer.encode):
        with pytest.raises(DataError) as caught:
            call(rows)
        assert str(caught.value) == message
    with pytest.raises(DataError) as caught:
        discretizer.encode(rows[:, 2:], at=2)
    assert str(caught.value) == message


@pytest.mark.parametrize("shape", [(0, 4), (5, 3), (4,)])
def test_rows_of_a_wrong_shape_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(DataError) as caught:
        UniformConfig(bins=4).build(LAYOUT).fit(torch.zeros(shape))
    assert str(caught.value) == f"discretizer: rows are {shape}; expected (1 or more, 4)"


@either
@pytest.mark.parametrize("bins", [2, 3, 64, 65, 128, 1000])
def test_the_search_agrees_with_torchs(config: Callable[..., QuantileConfig | UniformConfig], bins: int) -> None:
    generator = torch.Generator().manual_seed(0)
    rows = torch.randn(4000, LAYOUT.width, generator=generator)
    discretizer = fitted(config, rows[:, 0].tolist(), bins)
    values = torch.cat([2 * rows, rows, discretizer.edges.T])  # (n, D)
    theirs = torch.searchsorted(discretizer.edges[:, 1:-1].contiguous(), values.T.contiguous(), right=True).T
    assert torch.equal(discretizer.encode(values), theirs)


@either
@given(columns=st.lists(COLUMNS, min_size=4, max_size=4), others=COLUMNS, bins=st.integers(2, 70), nudged=st.booleans())
@settings(max_examples=150, deadline=None)
def test_a_search_that_starts_near_by_finds_the_same_at_every_edge(
    config: Callable[..., QuantileConfig | UniformConfig],
    columns: list[list[float]],
    others: list[float],
    bins: int,
    nudged: bool,
) -> None:
    discretizer = config(bins=bins, reference=nudged).build(LAYOUT)
    assert isinstance(discretizer, EdgeDiscretizer)
    for index, column in enumerate(columns):
        values = torch.tensor(column).clamp(max=3e38)
        discretizer._set(index, discretizer.column(values))
    table = _lower_edges(discretizer.edges, discretizer.live)
    edges, infinity = discretizer.edges.T, torch.tensor(torch.inf)
    near = [edges, torch.nextafter(edges, infinity), torch.nextafter(edges, -infinity)]
    values = torch.cat([*near, torch.tensor(others)[:, None].expand(-1, 4)])  # (n, D)
    counted = (values.unsqueeze(-1) >= table).sum(-1) - 1
    assert _search(values, table).equal(counted.clamp(min=0).int())
    assert _search(values, table, _starts(table)).equal(counted.clamp(min=0).int())


def test_bins_of_equal_width_leave_one_comparison() -> None:
    rows = torch.randn(5000, LAYOUT.width, generator=torch.Generator().manual_seed(0))
    discretizer = UniformConfig(bins=100).build(LAYOUT)
    discretizer.fit(rows)
    assert isinstance(discretizer, EdgeDiscretizer)
    assert _starts(_lower_edges(discretizer.edges, discretizer.live)).steps == 1


def test_more_rows_than_a_chunk_are_encoded_as_in_one_piece() -> None:
    rows = torch.randn(9_000, LAYOUT.width, generator=torch.Generator().manual_seed(0))
    discretizer = QuantileConfig(bins=50).build(LAYOUT)
    discretizer.fit(rows)
    tokens = discretizer.encode(rows)
    assert torch.equal(tokens[4_000:], discretizer.encode(rows[4_000:]))
    assert torch.equal(discretizer.encode(rows[:0]), tokens[:0])


def test_a_stranger_only_says_which_bins_a_column_has() -> None:
    class Halves(EdgeDiscretizer):
        def column(self, values: Tensor) -> Bins:
            low, high = values.aminmax()
            edges = torch.stack([low, (low + high) / 2, high])
            return Bins(edges, midpoints(edges[:-1], edges[1:]))

    discretizer = Halves(LAYOUT, bins=3)
    discretizer.fit(torch.tensor([[0.0] * 4, [4.0] * 4]))
    assert discretizer.live[0].tolist() == [True, True, False]
    assert discretizer.encode(torch.tensor([-1.0, 1.9, 2.0, 9.0])).tolist() == [0, 0, 1, 1]
    assert discretizer.decode(torch.tensor([0, 1, 2, discretizer.stop])).tolist() == [1.0, 3.0, 3.0, 3.0]
