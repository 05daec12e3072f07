"""What makes training fast changes nothing else: attention is torch's, and dropout keeps its promises."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812  (the field's name for it)

from ttf_plugins.gpt import training
from ttf_plugins.gpt.training import CHUNK, Dropout, attend, dropout

TOKENS, WIDTH, PROBABILITY = 3 * CHUNK + 11, 8, 0.1


def attention_inputs(dtype: torch.dtype) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    """Queries of all tokens, keys and values of those that are no last token of a transition, and what each sees."""
    kept = torch.tensor([token for token in range(TOKENS) if token % WIDTH != WIDTH - 1])
    generator = torch.Generator().manual_seed(0)
    q, upstream = torch.randn(2, 2, 3, TOKENS, 4, dtype=torch.float64, generator=generator).to(dtype)
    k, v = torch.randn(2, 2, 3, len(kept), 4, dtype=torch.float64, generator=generator).to(dtype)
    return q.requires_grad_(), k.requires_grad_(), v.requires_grad_(), kept <= torch.arange(TOKENS)[:, None], upstream


@pytest.mark.parametrize("probability", [0.0, PROBABILITY])
def test_attention_in_chunks_is_attention_at_once(probability: float, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(training, "dropout", lambda x, _: x)
    q, k, v, mask, upstream = attention_inputs(torch.float64)
    expected = F.scaled_dot_product_attention(q, k, v, attn_mask=mask)
    gathered = attend(q, k, v, mask, probability)
    torch.testing.assert_close(gathered, expected)
    for found, wanted in zip(
        torch.autograd.grad(gathered, (q, k, v), upstream),
        torch.autograd.grad(expected, (q, k, v), upstream),
        strict=True,
    ):
        torch.testing.assert_close(found, wanted)


def test_it_drops_weights_of_each_chunk() -> None:
    q, k, _, mask, _ = attention_inputs(torch.float32)
    torch.manual_seed(0)
    with torch.no_grad():
        shares = attend(q, k, torch.eye(k.shape[2]).expand(2, 3, -1, -1), mask, PROBABILITY)
        expected = attend(q, k, torch.eye(k.shape[2]).expand(2, 3, -1, -1), mask, 0.0)
    shown = mask.expand_as(shares)
    dropped = (shares == 0) & shown
    assert (shares[~shown] == 0).all()
    assert float(dropped.sum() / shown.sum()) == pytest.approx(PROBABILITY, abs=0.01)
    torch.testing.assert_close(shares[~dropped], (expected / (1 - PROBABILITY))[~dropped], rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("probability", [0.1, 0.5, 0.9])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_dropout_drops_that_share_and_keeps_the_expectation(probability: float, dtype: torch.dtype) -> None:
    torch.manual_seed(0)
    x = torch.ones(401, 997, dtype=dtype, requires_grad=True)
    out = dropout(x, probability)
    (gradient,) = torch.autograd.grad(out.sum(), x)
    assert out.dtype is dtype
    assert float((out == 0).float().mean()) == pytest.approx(probability, abs=0.003)
    assert float(out.detach().double().mean()) == pytest.approx(1.0, rel=0.01 if dtype is torch.float32 else 0.03)
    assert len(set(out.detach().flatten().tolist())) == 2
    assert gradient.equal(out.detach())


def test_neighbours_are_dropped_independently_of_each_other() -> None:
    torch.manual_seed(0)
    dropped = (dropout(torch.ones(1_000_000), 0.5) == 0).double()
    for distance in (1, 2, 3, 4, 8):
        both = (dropped[:-distance] * dropped[distance:]).mean()
        assert float(both) == pytest.approx(0.25, abs=0.003)


def test_the_same_seed_drops_the_same_and_nothing_is_dropped_from_a_trained_model() -> None:
    module, x = Dropout(0.5), torch.ones(100)
    torch.manual_seed(1)
    first = module(x)
    torch.manual_seed(1)
    assert module(x).equal(first)
    assert not module(x).equal(first)
    assert module.eval()(x) is x
    assert dropout(x, 0.0) is x
