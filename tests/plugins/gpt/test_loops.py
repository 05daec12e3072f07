"""What machine code makes of whole sequences is what PyTorch makes of them, and so are its gradients."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812  (the field's name for it)

from ttf.layout import Layout
from ttf_plugins.gpt import GPTConfig, loops
from ttf_plugins.gpt.loops import (
    TOKENS_AT_ONCE,
    AttentionByLoops,
    PerceptronByLoops,
    attended_whole,
    compiled_loops,
    loops_for,
    perceptron,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

DTYPES = [torch.float64, torch.float32]


@pytest.fixture(params=[1, 3], autouse=True)
def threads(request: pytest.FixtureRequest) -> Iterator[int]:
    before, count = torch.get_num_threads(), int(request.param)
    torch.set_num_threads(count)
    yield count
    torch.set_num_threads(before)


def check_equal(ours: Callable[..., Tensor], theirs: Callable[..., Tensor], inputs: Sequence[Tensor]) -> None:
    """Outputs, and gradients of all inputs."""
    inputs = [each.requires_grad_() for each in inputs]
    found, wanted = ours(*inputs), theirs(*inputs)
    upstream = torch.randn_like(wanted)
    gradients = (torch.autograd.grad(made, inputs, upstream) for made in (found, wanted))
    for one, other in zip((found, *next(gradients)), (wanted, *next(gradients)), strict=True):
        largest = float(other.detach().abs().max())
        torch.testing.assert_close(one, other, rtol=0, atol=200 * largest * torch.finfo(other.dtype).eps)


def applied(function: type[torch.autograd.Function], *others: object) -> Callable[..., Tensor]:
    """What it makes of tensors and others."""
    return lambda *tensors: function.apply(*tensors, *others)  # type: ignore[no-untyped-call]


def plain(qkv: Tensor, mask: Tensor) -> Tensor:
    q, k, v = qkv.permute(2, 0, 3, 1, 4)
    return F.scaled_dot_product_attention(q, k, v, attn_mask=mask).transpose(1, 2)


@pytest.mark.parametrize("size", [1, 6, 16, 20, 32])
@pytest.mark.parametrize("length", [1, 7, 16, 50])
@pytest.mark.parametrize("dtype", DTYPES)
def test_attention_and_its_gradients_are_pytorchs(size: int, length: int, dtype: torch.dtype) -> None:
    torch.manual_seed(length)
    compiled = compiled_loops()
    assert compiled is not None
    for width, batch, heads in ((100, 1, 2), (5, 4, 1), (2, 2, 3)):
        keys = torch.arange(length) % width != width - 1  # the last token of a transition is none
        mask = keys & torch.ones(length, length, dtype=torch.bool).tril()
        qkv = 3 * torch.randn(batch, length, 3, heads, size, dtype=dtype)
        check_equal(applied(AttentionByLoops, mask, compiled), partial(plain, mask=mask), [qkv])


def test_attention_is_that_of_a_gpt_whatever_its_layout() -> None:
    for seed in range(20):
        torch.manual_seed(seed)
        goal = tuple(range(seed % 3))
        model = GPTConfig(layers=1, heads=2, width=8, context=2 + seed % 3).build(Layout(3, 1 + seed % 2, goal), 5)
        length = model.layout.goal + int(torch.randint(1, model.block + 1, ()))
        mask = model.get_buffer("mask")[:length, :length]
        qkv = torch.randn(2, length, 3, 2, 4)
        check_equal(partial(attended_whole, mask=mask, probability=0.0), partial(plain, mask=mask), [qkv])


def test_scores_that_are_huge_or_not_numbers() -> None:
    mask = torch.ones(20, 20, dtype=torch.bool).tril()
    qkv = 100 * torch.randn(1, 20, 3, 1, 4, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(attended_whole(qkv, mask, 0.0), plain(qkv, mask))
    qkv[0, 7, 1] = torch.nan
    gathered = attended_whole(qkv, mask, 0.0)
    assert gathered[:, 7:].isnan().all()
    assert not gathered[:, :7].isnan().any()


@pytest.mark.parametrize("width", [4, 5, 16])
@pytest.mark.parametrize("tokens", [0, 1, TOKENS_AT_ONCE, 2 * TOKENS_AT_ONCE + 3])
@pytest.mark.parametrize("dtype", DTYPES)
def test_a_perceptron_and_its_gradients_are_pytorchs(width: int, tokens: int, dtype: torch.dtype) -> None:
    torch.manual_seed(0)
    compiled = compiled_loops()
    assert compiled is not None
    shapes = [(4 * width, width), (4 * width,), (width, 4 * width), (width,)]
    x, *weights = (torch.randn(*shape, dtype=dtype) for shape in ((tokens, width), *shapes))
    if not tokens:
        assert applied(PerceptronByLoops, compiled)(x, *weights).shape == (0, width)
        return
    check_equal(
        applied(PerceptronByLoops, compiled),
        lambda x, up, up_bias, down, down_bias: F.linear(F.gelu(F.linear(x, up, up_bias)), down, down_bias),
        [x, *weights],
    )


def mlp(width: int = 4, **others: bool) -> nn.Sequential:
    return nn.Sequential(nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width, **others), nn.Dropout(0.0))


class Doubled(nn.Linear):
    def forward(self, given: Tensor) -> Tensor:
        return 2 * super().forward(given)


def test_modules_that_are_others_are_called() -> None:
    x = torch.randn(2, 3, 4)
    others = [
        (0, Doubled(4, 16)),
        (1, nn.ReLU()),
        (1, nn.GELU("tanh")),
        (2, Doubled(16, 4)),
        (3, Doubled(4, 4)),
    ]
    for at, other in others:
        modules = mlp()
        torch.testing.assert_close(perceptron(x, modules), modules(x))
        modules[at] = other
        torch.testing.assert_close(perceptron(x, modules), modules(x))
    without = mlp(bias=False)
    torch.testing.assert_close(perceptron(x, without), without(x))


def test_biases_may_lie_anywhere() -> None:
    x, modules = torch.randn(2, 3, 8), mlp(8)
    for bias in (torch.randn(32, 3)[:, 0], torch.randn(1).expand(32)):
        modules[0].bias = nn.Parameter(bias)
        torch.testing.assert_close(perceptron(x, modules), modules(x))


def test_whoever_wants_to_know_when_a_module_is_called_is_told() -> None:
    for at in range(3):
        modules, called = mlp(), list[int]()
        modules[at].register_forward_hook(lambda *_: called.append(at))  # noqa: B023  (called in this round)
        perceptron(torch.randn(2, 3, 4), modules)
        assert called == [at]
    modules = mlp()
    nn.utils.parametrizations.weight_norm(modules[0])
    for _ in range(2):
        perceptron(torch.randn(2, 3, 4), modules).sum().backward()  # type: ignore[no-untyped-call]


def test_a_model_learns_the_same_without_machine_code(monkeypatch: pytest.MonkeyPatch) -> None:
    gradients = []
    for found in (compiled_loops, lambda: None):
        monkeypatch.setattr(loops, "compiled_loops", found)
        torch.manual_seed(0)
        model = GPTConfig(layers=2, heads=2, width=32, context=3, dropout=0.0, attention_dropout=0.0).build(
            Layout(3, 2), 10
        )
        with torch.no_grad():
            for each in model.parameters():
                each.add_(0.2 * torch.randn_like(each))
        tokens = torch.randint(10, (5, model.block))
        loss = F.cross_entropy(model(tokens).flatten(0, 1), torch.randint(11, (tokens.numel(),)))
        gradients.append(torch.autograd.grad(loss, [*model.parameters()]))
    for one, other in zip(*gradients, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-3, atol=1e-6)


def test_it_is_for_float32_on_a_processor() -> None:
    assert loops_for(torch.zeros(1)) is not None
    assert loops_for(torch.zeros(1, dtype=torch.float64)) is None
    assert loops_for(torch.zeros(1, device="meta")) is None
    with torch.autocast("cpu", torch.bfloat16):
        assert loops_for(torch.zeros(1)) is None


def small() -> nn.Module:
    torch.manual_seed(0)
    config = GPTConfig(layers=2, heads=2, width=16, context=3, dropout=0.0, attention_dropout=0.0)
    return config.build(Layout(3, 2), 10).eval()


def test_a_model_is_compiled_into_one_graph() -> None:
    torch._dynamo.reset()
    model, tokens = small(), torch.randint(10, (2, 12))
    compiled = torch.compile(model, backend="eager", fullgraph=True)
    torch.testing.assert_close(compiled(tokens), model(tokens))


def test_a_model_can_be_transformed() -> None:
    model, tokens = small(), torch.randint(10, (3, 2, 12))
    weights: dict[str, Tensor] = {**dict(model.named_parameters())}

    def loss(weights: dict[str, Tensor], tokens: Tensor) -> Tensor:
        logits: Tensor = torch.func.functional_call(model, weights, (tokens,))
        return logits.square().mean()

    gradients = torch.func.grad(loss)(weights, tokens[0])
    model(tokens[0]).square().mean().backward()
    for name, each in weights.items():
        torch.testing.assert_close(each.grad, gradients[name], rtol=1e-3, atol=1e-6)


def second_order(model: nn.Module) -> tuple[Tensor, ...]:
    weights = list(model.parameters())
    loss = model(torch.arange(10).view(2, 5)).square().mean()
    first = torch.autograd.grad(loss, weights, create_graph=True)
    return torch.autograd.grad(torch.stack([each.square().sum() for each in first]).sum(), weights)


def test_gradients_of_gradients_are_refused_and_float64_has_them() -> None:
    with pytest.raises(RuntimeError, match="float64"):
        second_order(small())
    assert all(each.isfinite().all() for each in second_order(small().double()))


@pytest.fixture
def without_numba(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    def fails() -> None:
        message = "nowhere to keep it"
        raise OSError(message)

    monkeypatch.setattr("ttf_plugins.gpt.gradients.compile_all", fails)
    compiled_loops.cache_clear()
    yield
    compiled_loops.cache_clear()


@pytest.mark.usefixtures("without_numba")
def test_without_numba_attention_is_pytorchs() -> None:
    assert compiled_loops() is None
    qkv, mask = torch.randn(1, 5, 3, 1, 4), torch.ones(5, 5, dtype=torch.bool).tril()
    assert attended_whole(qkv, mask, 0.0).equal(plain(qkv, mask))
