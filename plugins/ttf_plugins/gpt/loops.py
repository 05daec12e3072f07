"""Whole sequences on a processor, by machine code: attention that drops no weights, and perceptrons."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import Any, NamedTuple, TypeVar

import torch
from torch import Tensor, nn

from ttf_plugins.gpt.training import attend

Loop = Callable[..., None]
"""Over the memory of tensors."""

Context = Any
"""What PyTorch keeps between a function and its gradients."""

Made = TypeVar("Made")

TOKENS_AT_ONCE = 512
"""Tokens that a perceptron takes at once."""


def attended_whole(qkv: Tensor, mask: Tensor, probability: float) -> Tensor:
    """Scaled dot-product attention (B, n, heads, size) of whole sequences, with dropout of its weights.

    Args:
        qkv: queries, keys and values (B, n, 3, heads, size).
        mask: which tokens each query sees (n, n) bool: the first few, one at least and no fewer than the query before,
            of those that any query sees. What another mask makes is undefined.
        probability: of dropping a weight.
    """
    loops = loops_for(qkv) if probability == 0 else None
    if loops is None:
        q, k, v = qkv.permute(2, 0, 3, 1, 4)  # (B, heads, n, size)
        return attend(q, k, v, mask, probability).transpose(1, 2)
    return AttentionByLoops.apply(qkv, mask, loops)  # type: ignore[no-any-return, no-untyped-call]  # torch leaves it untyped


def perceptron(x: Tensor, modules: nn.Sequential) -> Tensor:
    """What modules, the second of which is to be the GELU between two linear maps, make of x (B, n, width)."""
    loops = loops_for(x)
    if loops is None or torch.get_num_threads() > 1 or not _as_they_were(modules):
        return modules(x)  # type: ignore[no-any-return]  # nn.Module calls are untyped
    up, _, down, *others = modules
    weights = up.weight, up.bias, down.weight, down.bias
    out = PerceptronByLoops.apply(x.flatten(0, -2), *weights, loops)  # type: ignore[no-untyped-call]  # as above
    for module in others:
        out = module(out)
    return out.view_as(x)  # type: ignore[no-any-return]  # as above


def _as_they_were(modules: nn.Sequential) -> bool:
    """Whether nobody has put others in their place, or wants to know when they are called."""
    up, between, down, *_ = modules
    kinds = type(up) is type(down) is nn.Linear and type(between) is nn.GELU
    if not kinds or between.approximate != "none" or any(bias is None for bias in (up.bias, down.bias)):
        return False
    hooks = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks")
    return not any(getattr(module, name) for module in (modules, up, between, down) for name in hooks)


class Loops(NamedTuple):
    """Machine code for the memory of tensors."""

    attention: Loop
    attention_gradients: Loop
    activated: Loop
    activated_again: Loop


def loops_for(x: Tensor) -> Loops | None:
    """What is faster than PyTorch for a tensor, if there is anything."""
    if torch.compiler.is_compiling() or x.device.type != "cpu" or x.dtype != torch.float32:
        return None
    watched = torch._C._are_functorch_transforms_active() or torch._C._len_torch_dispatch_stack()
    return None if watched or torch.is_autocast_enabled("cpu") else compiled_loops()


@cache
def compiled_loops() -> Loops | None:
    """Those that train, if they can be compiled here."""

    def made() -> Loops:
        from ttf_plugins.gpt import gradients, kernels

        gradients.compile_all()
        return Loops(gradients.attention, gradients.attention_gradients, kernels.activated, gradients.activated_again)

    return where_numba_works(made)


def where_numba_works(make: Callable[[], Made]) -> Made | None:
    """What needs machine code; None where Numba is missing, or has no place to keep it."""
    try:
        return make()
    except Exception:  # noqa: BLE001  (it may be missing, of another version, or have no place to write to)
        return None


class AttentionByLoops(torch.autograd.Function):
    """Attention by loops that take all of a head at once, so that little is written but what it gathers."""

    @staticmethod
    def forward(context: Context, qkv: Tensor, mask: Tensor, loops: Loops) -> Tensor:
        """What queries gather (B, n, heads, size); see :func:`attended_whole`."""
        batch, length, _, heads, size = qkv.shape
        qkv, out = qkv.contiguous(), qkv.new_empty(batch, length, heads, size)
        tops, seen = qkv.new_empty(batch, heads, length, 2), (mask.any(0).nonzero()[:, 0].numpy(), mask.sum(1).numpy())
        _each(loops.attention, seen, qkv, out, tops)
        context.save_for_backward(qkv, out, tops)
        context.seen, context.loops = seen, loops
        return out

    @staticmethod
    def backward(context: Context, gradients: Tensor) -> tuple[Tensor | None, ...]:
        """Gradients of the queries, keys and values."""
        _check_first()
        qkv, out, tops = context.saved_tensors
        made = torch.empty_like(qkv)
        _each(context.loops.attention_gradients, context.seen, qkv, out, tops, gradients.contiguous(), made)
        return made, None, None


def _check_first() -> None:
    """Raise a RuntimeError if these gradients are to have gradients."""
    if torch.is_grad_enabled():
        message = "loops have no gradients of gradients; a model in float64 has them"
        raise RuntimeError(message)


def _each(loop: Loop, seen: tuple[Any, Any], *tensors: Tensor) -> None:
    """Let a loop take the sequences of tensors (B, ...), some on each thread."""
    threads = min(torch.get_num_threads(), len(tensors[0]))
    shares = zip(*(each.detach().tensor_split(max(1, threads)) for each in tensors), strict=True)
    work = [[each.numpy() for each in share] for share in shares]
    if len(work) == 1:
        loop(*seen, *work[0])
        return
    with ThreadPoolExecutor(len(work)) as pool:
        list(pool.map(lambda arrays: loop(*seen, *arrays), work))


class PerceptronByLoops(torch.autograd.Function):
    """Two linear maps with the GELU in between, for a few tokens at a time, so that these stay in cache."""

    @staticmethod
    def forward(
        context: Context, x: Tensor, up: Tensor, up_bias: Tensor, down: Tensor, down_bias: Tensor, loops: Loops
    ) -> Tensor:
        """What they make (N, width) of x (N, width); see :func:`perceptron`."""
        inner, out = x.new_empty(len(x), len(up)), x.new_empty(len(x), len(down))
        active, bias = x.new_empty(TOKENS_AT_ONCE, len(up)), up_bias.detach().contiguous().numpy()
        for each, inside, made in zip(*(torch.split(some, TOKENS_AT_ONCE) for some in (x, inner, out)), strict=True):
            torch.mm(each, up.T, out=inside)
            loops.activated(inside.numpy(), bias, active[: len(each)].numpy())
            torch.addmm(down_bias, active[: len(each)], down.T, out=made)
        context.save_for_backward(x, inner, up, up_bias, down)
        context.loops = loops
        return out

    @staticmethod
    def backward(context: Context, gradients: Tensor) -> tuple[Tensor | None, ...]:
        """Gradients of x and of the weights."""
        _check_first()
        x, inner, up, up_bias, down = context.saved_tensors
        of_x, of_up, of_down = torch.empty_like(x), torch.zeros_like(up), torch.zeros_like(down)
        of_bias, bias = torch.zeros_like(up_bias), up_bias.detach().contiguous().numpy()
        room, sums = x.new_empty(2, TOKENS_AT_ONCE, len(up)), torch.empty_like(up_bias)
        parts = (torch.split(some, TOKENS_AT_ONCE) for some in (gradients.contiguous(), x, inner, of_x))
        for gradient, each, inside, made in zip(*parts, strict=True):
            changes, active = room[:, : len(each)]
            torch.mm(gradient, down, out=changes)
            context.loops.activated_again(inside.numpy(), bias, changes.numpy(), sums.zero_().numpy(), active.numpy())
            of_bias += sums
            of_down.addmm_(gradient.T, active)
            of_up.addmm_(changes.T, each)
            torch.mm(changes, up, out=made)
        return of_x, of_up, of_bias, of_down, gradients.sum(0), None
