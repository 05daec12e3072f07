"""Filters and draws on the examples of the facts page, and against plain loops."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from tests.core.slow_tokens import filtered as filtered_slowly
from tests.core.slow_tokens import first_above

from ttf.sampling import REMOVED, Sampling, draw, filter_reference_cdf, filter_top_k, filter_top_p


def logits(*probabilities: float) -> torch.Tensor:
    return torch.tensor(probabilities, dtype=torch.float64).log()


def test_the_published_filter_keeps_the_top_of_the_mass() -> None:
    filtered = filter_reference_cdf(logits(0.05, 0.1, 0.15, 0.3, 0.4), 0.6)
    assert (filtered > REMOVED).tolist() == [False, False, False, True, True]


def test_the_published_filter_removes_everything_at_a_tie_and_then_all_are_equally_likely() -> None:
    probabilities = Sampling(reference_cdf=0.6).probabilities(logits(0.1, 0.45, 0.45))
    assert probabilities.tolist() == pytest.approx([1 / 3] * 3)


def test_the_published_filter_leaves_impossible_tokens_impossible() -> None:
    filtered = Sampling(reference_cdf=0.6).probabilities(logits(0.5, 0.0, 0.5))
    assert filtered.tolist() == [0.5, 0.0, 0.5]


def test_top_p_keeps_the_fewest_tokens_that_hold_the_mass() -> None:
    filtered = filter_top_p(logits(0.1, 0.4, 0.2, 0.3), 0.6)
    assert filtered.isfinite().tolist() == [False, True, False, True]


def test_top_p_always_keeps_the_likeliest_token() -> None:
    assert filter_top_p(logits(0.3, 0.7), 1e-9).isfinite().tolist() == [False, True]


def test_top_k_keeps_ties_with_the_last_one_kept() -> None:
    assert filter_top_k(logits(0.2, 0.2, 0.5, 0.1), 2).isfinite().tolist() == [True, True, True, False]


@pytest.mark.parametrize("reference_cdf", [None, 0.6])
@pytest.mark.parametrize("top_p", [None, 0.5])
@pytest.mark.parametrize("top_k", [None, 3])
def test_filters_and_draws_are_those_of_plain_loops(
    reference_cdf: float | None, top_p: float | None, top_k: int | None
) -> None:
    sampling, generator = Sampling(0.7, reference_cdf, top_p, top_k), torch.Generator().manual_seed(0)
    random = 2 * torch.randn(50, 8, generator=generator, dtype=torch.float64)
    uniforms = torch.rand(50, generator=generator, dtype=torch.float64)
    random[::3, 2] = -torch.inf
    probabilities = sampling.probabilities(random)
    expected = [filtered_slowly(row, sampling) for row in random]
    torch.testing.assert_close(probabilities, torch.tensor(expected, dtype=torch.float64))
    tokens = [first_above(row, number) for row, number in zip(expected, uniforms.tolist(), strict=True)]
    assert draw(probabilities, uniforms).tolist() == tokens


@given(
    st.lists(st.floats(0, 1), min_size=1, max_size=8).filter(lambda p: sum(p) > 0.01), st.floats(0, 1, exclude_max=True)
)
def test_a_draw_is_the_first_token_whose_cumulative_probability_exceeds_the_number(
    weights: list[float], uniform: float
) -> None:
    probabilities = torch.tensor(weights, dtype=torch.float64)
    probabilities /= probabilities.sum()
    token = int(draw(probabilities, torch.tensor(uniform, dtype=torch.float64)))
    cumulative = probabilities.cumsum(0).tolist()
    expected = next((j for j, c in enumerate(cumulative) if c > uniform), None)
    assert probabilities[token] > 0
    if expected is not None:
        assert token == expected


def test_a_number_above_the_rounded_total_draws_the_last_possible_token() -> None:
    probabilities = torch.tensor([0.5, 0.4999999, 0.0])
    assert int(draw(probabilities, torch.tensor(0.99999999))) == 1


def test_what_is_drawn_is_a_token_whatever_the_probabilities() -> None:
    nan = float("nan")
    probabilities = torch.tensor([[nan] * 4, [0.2, nan, 0.5, 0.0], [0.0] * 4, [0.5, 0.5 - 1e-7, 0.0, 0.0]])
    tokens = draw(probabilities, torch.full((4,), 1 - 2**-24))
    assert ((tokens >= 0) & (tokens < 4)).all()
    assert tokens[-1] == 1  # the first that reaches the end, where rounding leaves it below the number


def test_a_filter_sorts_the_same_with_and_without_inference() -> None:
    logits = torch.randn(20, 7, generator=torch.Generator().manual_seed(0), requires_grad=True)
    filtered = Sampling(reference_cdf=0.6).filtered(logits)
    with torch.inference_mode():
        assert Sampling(reference_cdf=0.6).filtered(logits).equal(filtered)
    assert filtered.requires_grad
