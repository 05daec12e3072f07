"""What several rows read is stored once, and every row reads what it would have read of its own."""

from __future__ import annotations

import copy
import os
import pickle
import subprocess
import sys
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch
from torch.nn import functional as F  # noqa: N812  (the field's name for it)

from ttf.interfaces.model import SequenceModel
from ttf.layout import Layout
from ttf.testing import check_sequence_model
from ttf_plugins.gpt import GPTConfig, functions, gpt, gradients, kernels, lanes, mapped, products
from ttf_plugins.gpt.gradients import activated_again
from ttf_plugins.gpt.kernels import SEGMENTS, activated, attended
from ttf_plugins.gpt.mapped import MappedState
from ttf_plugins.gpt.products import hide
from ttf_plugins.gpt.tiled import TiledState

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from ttf_plugins.gpt.state import GPTState

KINDS: list[type[GPTState]] = [MappedState, TiledState]


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    """With several nothing is mapped."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def tiny() -> SequenceModel:
    torch.manual_seed(0)
    return GPTConfig(layers=1, heads=2, width=8, context=3).build(Layout(2, 1), 5).eval()


def read(model: SequenceModel, state: GPTState, tokens: int) -> GPTState:
    _, after = model.read(torch.zeros(state.groups * state.rows, tokens, dtype=torch.int64), state)
    assert isinstance(after, MappedState | TiledState)
    return after


def started(model: SequenceModel) -> GPTState:
    state = model.start(1, model.block)
    assert isinstance(state, MappedState | TiledState)
    return state


def stored(state: GPTState) -> list[tuple[int, int]]:
    """Stored rows, and tokens, of the segments."""
    return [(part.stored, part.filled) for part in state.segments]


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> type[GPTState]:
    """The kind that models start."""
    kind: type[GPTState] = request.param
    monkeypatch.setattr(gpt, "kind_of_state", lambda model: kind)  # noqa: ARG005
    return kind


@pytest.mark.parametrize("joined", [0, 4, 128])
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
@pytest.mark.usefixtures("kind")
def test_both_kinds_keep_the_contract(joined: int, dtype: torch.dtype, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mapped, "JOINED", joined)
    check_sequence_model(GPTConfig(layers=2, heads=2, width=8), dtype=dtype, cases=20)


@pytest.mark.parametrize("at_once", [3, 256])
@pytest.mark.usefixtures("kind")
def test_tokens_are_taken_a_few_at_a_time(at_once: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mapped, "TOKENS_AT_ONCE", at_once)
    check_sequence_model(GPTConfig(layers=2, heads=2, width=40), dtype=torch.float32, cases=10)


@pytest.mark.parametrize("length", [1, 8])
def test_a_step_can_be_differentiated_as_a_whole_pass_can(length: int) -> None:
    torch.manual_seed(0)
    model = GPTConfig(layers=2, heads=2, width=8, context=3).build(Layout(2, 1), 5).double().eval()
    tokens = torch.randint(5, (2, length))
    gradients = []
    for logits in (model(tokens), model.step(tokens, model.start(2, 8))[0]):
        model.zero_grad()
        logits.square().sum().backward()
        gradients.append([weights.grad for weights in model.parameters()])
    torch.testing.assert_close(*gradients)


@torch.no_grad()
@pytest.mark.usefixtures("kind")
def test_what_is_learned_after_a_state_was_started_is_alike_for_one_token_and_for_several() -> None:
    model, tokens = tiny(), torch.randint(5, (2, 2))
    begun = model.start(2, 2)
    for weights in model.parameters():
        weights.add_(torch.randn_like(weights))
    both, _ = model.step(tokens, begun.repeat(1))
    one, state = model.step(tokens[:, :1], begun)
    torch.testing.assert_close(torch.cat([one, model.step(tokens[:, 1:], state)[0]], 1), both)


@torch.no_grad()
@pytest.mark.usefixtures("kind")
def test_no_tokens_change_nothing() -> None:
    model = tiny()
    tokens = torch.randint(5, (2, 3))
    _, state = model.step(tokens[:, :2], model.start(2, 3))
    logits, state = model.step(tokens[:, :0], state)
    assert logits.shape == (2, 0, 6)
    torch.testing.assert_close(model.step(tokens[:, 2:], state)[0], model(tokens)[:, 2:])


@torch.no_grad()
@pytest.mark.usefixtures("kind")
def test_a_state_holds_no_more_than_it_has_room_for() -> None:
    model = tiny()
    state = model.start(1, 5)
    _, state = model.read(torch.zeros(1, 4, dtype=torch.int64), state)
    with pytest.raises(
        ValueError, match=r"no room for 2 more tokens: this state holds 4 of 4"
    ):  # of 5 tokens one is a value
        model.read(torch.zeros(1, 3, dtype=torch.int64), state)


@torch.no_grad()
def test_rows_that_read_on_without_a_choice_look_into_few_segments(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mapped, "JOINED", 0)
    torch.manual_seed(0)
    model = GPTConfig(layers=2, heads=2, width=8, context=8).build(Layout(2, 1), 5).double().eval()
    state, tokens = model.start(1, model.block), torch.empty(1, 0, dtype=torch.int64)
    held: list[int] = []
    for rows, count in ((1, 3), (2, 3), (4, 6), (8, 3), (8, 6), (8, 6), (8, 3)):
        each = (torch.arange(rows) * len(tokens) // rows).unsqueeze(0)
        if rows != len(tokens):
            state, tokens = state.select(each), tokens[each[0]]
        new = torch.randint(5, (rows, count))
        tokens = torch.cat([tokens, new], 1)
        logits, state = model.step(new, state)
        torch.testing.assert_close(logits, model(tokens)[:, -count:])
        assert isinstance(state, MappedState)
        held.append(len(state.segments))
    assert max(held) == SEGMENTS
    assert held.index(SEGMENTS) < len(held) - 1  # some were joined


@pytest.mark.usefixtures("kind")
def test_what_is_decoded_has_no_gradients_to_wait_for() -> None:
    model = tiny()
    with torch.no_grad():
        state = model.start(1, 5)
    tokens = torch.zeros(1, 3, dtype=torch.int64)
    torch.testing.assert_close(model.step(tokens, state)[0], model(tokens))


@torch.no_grad()
def test_bfloat16_is_decoded_by_products() -> None:
    model, tokens = tiny().to(torch.bfloat16), torch.randint(5, (2, 8))
    torch.testing.assert_close(model.step(tokens, model.start(2, 8))[0], model(tokens), atol=0.05, rtol=0.05)


@pytest.mark.parametrize("size", [1, 6, 20, 32])
@pytest.mark.parametrize(("queries", "most_rows"), [(1, 80), (3, 80), (20, 40), (40, 20)])
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
def test_loops_are_attention(size: int, queries: int, most_rows: int, dtype: torch.dtype) -> None:
    for seed in range(20):
        choose = np.random.default_rng(seed)
        rows, heads, tokens = int(choose.integers(1, most_rows)), int(choose.integers(1, 3)), queries + seed % 3
        kept = np.arange(tokens) if seed % 2 else np.arange(tokens)[1:]  # a value at the beginning leaves no key
        new = len(kept)
        filled = np.array([0, *choose.integers(1, 20, SEGMENTS - 1)])
        filled[-1] = max(1, new + choose.integers(0, 10))
        held = [1, 1, int(choose.integers(1, rows + 1)), rows]
        reads = np.stack([choose.integers(0, each, rows) for each in held])
        reads[-1] = np.arange(rows)
        room = [int(n) + 3 for n in filled]
        generator = torch.Generator().manual_seed(seed)
        segments = [
            torch.randn(2, s, n, heads, size, dtype=dtype, generator=generator) for s, n in zip(held, room, strict=True)
        ]
        qkv = torch.randn(rows, tokens, 3, heads, size, dtype=dtype, generator=generator)
        bias = torch.randn(3, heads, size, dtype=dtype, generator=generator)
        visible = int(filled.sum())
        seen = np.maximum(1, visible - np.sort(choose.integers(0, queries, queries))[::-1])
        gathered = torch.full((rows, queries, heads * size), torch.nan, dtype=dtype)
        where = reads, choose.permutation(rows), filled, seen
        all_segments = tuple(each.numpy() for each in segments)
        given = qkv.flatten(3).numpy(), bias.flatten(1).numpy()
        attended(*given, kept, all_segments, *where, gathered.numpy())
        q, k, v = (qkv + bias).permute(2, 0, 3, 1, 4)
        k, v = k[:, :, kept], v[:, :, kept]
        parts = list(zip(segments, reads, filled.tolist(), strict=True))
        ks, vs = (torch.cat([pairs[one, each][:, :n] for pairs, each, n in parts], 1).transpose(1, 2) for one in (0, 1))
        assert ks[:, :, visible - new :].equal(k)
        assert vs[:, :, visible - new :].equal(v)
        mask = torch.arange(visible) < torch.from_numpy(seen).unsqueeze(1)
        expected = F.scaled_dot_product_attention(q[:, :, -queries:], ks, vs, attn_mask=mask, scale=1.0)
        torch.testing.assert_close(gathered, expected.transpose(1, 2).flatten(2))


@pytest.mark.skipif(lanes.MANY == lanes.LANES, reason="here it is the first kind")
def test_loops_are_attention_where_registers_hold_fewer_numbers(tmp_path: Path) -> None:
    fewer = {**os.environ, "NUMBA_ENABLE_AVX": "0", "NUMBA_CACHE_DIR": str(tmp_path)}
    code = "from ttf_plugins.gpt import lanes; assert lanes.MANY == lanes.LANES"
    subprocess.run([sys.executable, "-c", code], env=fewer, check=True)
    case = f"{__file__}::test_loops_are_attention[dtype1-40-20-20]"
    subprocess.run([sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", case], env=fewer, check=True)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
@pytest.mark.parametrize("unseen", [0.0, torch.nan, torch.inf, -torch.inf])
def test_what_a_query_does_not_see_is_hidden_whatever_it_is(unseen: float, dtype: torch.dtype) -> None:
    choose = torch.Generator().manual_seed(0)
    for queries in range(1, lanes.MANY + 1):
        seen = torch.randint(1, 51, (queries,), generator=choose).sort().values
        scores = torch.randn(50, lanes.MANY, generator=choose, dtype=dtype)
        hidden = torch.arange(50).unsqueeze(1) >= seen
        scores[:, :queries][hidden] = unseen
        expected = scores.clone()
        expected[:, :queries][hidden] = -torch.inf
        hide(scores.unsqueeze(0).numpy(), seen.numpy())
        assert scores.equal(expected)


def gathered(keys: torch.Tensor, values: torch.Tensor) -> torch.Tensor:
    """What a query of 1 gathers (1,) of keys (n,) and values (n,), the last of which are new."""
    qkv = torch.stack([torch.ones_like(keys[0]), keys[-1], values[-1]]).view(1, 1, 3, 1).numpy()
    stored_before = torch.stack([keys, values]).view(2, 1, -1, 1, 1)
    segments = [each.numpy() for each in (*[torch.zeros_like(stored_before)] * 2, stored_before, stored_before.clone())]
    none, filled = np.zeros(1, dtype=np.int64), np.array([0, 0, len(keys) - 1, 1])
    out, reads = np.empty((1, 1, 1), qkv.dtype), np.zeros((SEGMENTS, 1), dtype=np.int64)
    where = reads, none, filled, np.array([len(keys)])
    attended(qkv, np.zeros((3, 1), qkv.dtype), none, tuple(segments), *where, out)
    return torch.from_numpy(out.copy()).flatten()


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
def test_weights_are_right_however_small(dtype: torch.dtype) -> None:
    keys = torch.tensor([0.0, -20.0, -1e4, -86.0, -88.0, 1.0], dtype=dtype)
    values = torch.tensor([1.0, 1e9, 1e30, 1e30, 1e30, 5.0], dtype=dtype)
    torch.testing.assert_close(gathered(keys, values), (keys.softmax(0) * values).sum(0, keepdim=True))


@pytest.mark.parametrize("place", range(5))
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
def test_a_key_that_is_not_a_number_is_not_hidden(dtype: torch.dtype, place: int) -> None:
    keys = torch.tensor([-500.0, 5.0, 400.0, 1.0, -3.0], dtype=dtype)
    keys[place] = torch.nan
    assert gathered(keys, torch.ones(5, dtype=dtype)).isnan().all()


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
def test_gelu_is_as_precise_as_its_numbers(dtype: torch.dtype) -> None:
    x = torch.linspace(-20, 20, 100_000, dtype=dtype).view(-1, 50)  # not a whole number of lanes
    bias = torch.linspace(-1, 1, 50, dtype=dtype)
    summed, made = x + bias, torch.empty_like(x)
    activated(x.numpy(), bias.numpy(), made.numpy())
    error = (made.double() - F.gelu(summed.double())).abs()
    assert (error <= 2 * torch.finfo(dtype).eps * summed.abs().clamp(min=1e-3)).all()


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
def test_its_slope_is_as_precise(dtype: torch.dtype) -> None:
    x = torch.linspace(-20, 20, 100_000, dtype=dtype).view(-1, 50)
    changes, sums, bias = torch.ones_like(x), torch.zeros(50, dtype=dtype), torch.zeros(50, dtype=dtype)
    again = torch.empty_like(x)
    activated_again(x.numpy(), bias.numpy(), changes.numpy(), sums.numpy(), again.numpy())
    once = torch.empty_like(x)
    activated(x.numpy(), bias.numpy(), once.numpy())
    assert again.equal(once)
    exact = x.double().requires_grad_()
    (slopes,) = torch.autograd.grad(F.gelu(exact).sum(), exact)
    assert (changes.double() - slopes).abs().max() <= 4 * torch.finfo(dtype).eps
    torch.testing.assert_close(sums, changes.sum(0), rtol=1e-4 if dtype == torch.float32 else 1e-12, atol=0)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
def test_gelu_of_what_is_huge_or_not_a_number(dtype: torch.dtype) -> None:
    x = torch.tensor([[1e30, -1e30, torch.inf, torch.nan]], dtype=dtype).repeat(1, 5)
    activated(x.numpy(), np.zeros(20, x.numpy().dtype), x.numpy())
    expected = torch.tensor([1e30, 0.0, torch.inf, torch.nan], dtype=dtype).repeat(5)
    torch.testing.assert_close(x[0], expected, rtol=torch.finfo(dtype).eps, atol=0, equal_nan=True)


def test_loops_are_compiled_again_where_what_they_are_built_on_has_changed() -> None:
    """What is wanted is written where it isn't so."""
    for module, others in (
        (products, [functions, lanes]),
        (gradients, [functions, lanes]),
        (kernels, [functions, lanes, products]),
    ):
        source = b"".join(Path(str(each.__file__)).read_bytes() for each in others)
        assert sha256(source).hexdigest()[:16] == module.BUILT_ON, module.__name__


@torch.no_grad()
def test_rows_that_go_on_from_one_store_its_keys_once() -> None:
    model = tiny()
    begun = read(model, read(model, started(model), 2).repeat(4), 3)  # of which the value leaves no key
    apart = begun.select(torch.tensor([[0, 0, 0, 1, 1, 3]]))
    assert stored(apart) == [(1, 2), (4, 2)]
    assert all(
        new.pairs is old.pairs for new, old in zip(apart.segments, begun.segments, strict=True)
    )  # nothing is copied
    again = read(model, apart, 1).select(torch.tensor([[5, 4, 3, 2, 1, 0]]))
    assert stored(again) == [(1, 2), (6, 3)]  # as few are copied in vain


@torch.no_grad()
def test_memory_to_work_in_is_used_again_and_never_twice_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    model = tiny()
    begun = read(model, started(model), 2)
    assert isinstance(begun, MappedState)
    one, tokens = begun.repeat(3), torch.arange(3).unsqueeze(1)
    logits, first = model.step(tokens, one)
    (room,) = (room for rows, room in begun.rooms.items() if rows == 3)
    assert model.step(tokens, one)[0].equal(logits)  # though it is used again
    assert begun.rooms[3] is room
    taken: list[object] = []

    def meanwhile(*given: object) -> None:
        monkeypatch.setattr(mapped, "attended", attended)
        taken.append(begun.rooms.get(3))
        assert model.step(tokens, one)[0].equal(logits)
        attended(*given)  # type: ignore[arg-type]  # as they came

    monkeypatch.setattr(mapped, "attended", meanwhile)
    assert model.step(tokens, one)[0].equal(logits)  # though another step was taken at the same time
    assert taken == [None]
    assert isinstance(first, MappedState)
    for copies in (2, 3, 4, 5):
        model.step(torch.zeros(copies, 1, dtype=torch.int64), begun.repeat(copies))
    assert list(begun.rooms) == [4, 5]  # it doesn't grow with the numbers of rows there ever were


@torch.no_grad()
@pytest.mark.parametrize("copied", [copy.deepcopy, lambda state: pickle.loads(pickle.dumps(state))])  # noqa: S301
def test_a_copied_state_goes_on_as_the_state(copied: Callable[[GPTState], GPTState]) -> None:
    model, tokens = tiny(), torch.randint(5, (4, 3))
    state = read(model, read(model, started(model), 2).repeat(4), 2)
    other = copied(state)
    for column in tokens.T:
        logits, after = model.step(column.unsqueeze(1), state)
        copies, others = model.step(column.unsqueeze(1), other)
        assert copies.equal(logits)
        chosen = torch.tensor([[1, 0, 3, 3]])
        state, other = after.select(chosen), others.select(chosen)  # type: ignore[assignment]  # of the same kind


@pytest.mark.parametrize("inferring", [True, False])
def test_a_state_goes_on_in_another_mode(*, inferring: bool) -> None:
    model, tokens = tiny(), torch.randint(5, (2, 6))
    model.requires_grad_(False)
    with torch.inference_mode(inferring):
        state = model.step(tokens[:, 1:2], model.step(tokens[:, :1], model.start(2, 6))[1])[1]
    with torch.inference_mode(not inferring):
        logits = model.step(tokens[:, 2:3], state)[0]
    torch.testing.assert_close(logits[:, 0], model(tokens[:, :3])[:, -1])


@torch.no_grad()
def test_on_a_gpu_too_what_all_rows_have_in_common_is_stored_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gpt, "kind_of_state", lambda model: TiledState)  # noqa: ARG005
    model = tiny()
    begun = read(model, read(model, started(model), 2).repeat(4), 3)
    apart = begun.select(torch.tensor([[0, 0, 0, 1, 1, 3]]))
    assert stored(apart) == [(1, 2), (6, 2)]
    assert stored(read(model, apart.repeat(2), 1)) == [(1, 2), (6, 2), (12, 1)]


@torch.no_grad()
def test_what_few_rows_read_stays_apart_from_what_many_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mapped, "JOINED", 0)
    model = tiny()
    begun = read(model, started(model).repeat(2), 1).select(torch.tensor([[0, 0, 1, 1]]))
    chosen = read(model, begun, 2).select(torch.tensor([[3, 2, 1, 0]]))
    assert stored(chosen) == [(2, 1), (4, 2)]


def test_maps_are_for_one_thread_of_a_processor_without_gradients(monkeypatch: pytest.MonkeyPatch) -> None:
    model = tiny()
    assert isinstance(model.start(1, 2), TiledState)
    with torch.no_grad():
        assert isinstance(model.start(1, 2), MappedState)
        assert isinstance(model.to(torch.bfloat16).start(1, 2), TiledState)
        model.float()
        monkeypatch.setattr(torch, "get_num_threads", lambda: 2)
        assert isinstance(model.start(1, 2), TiledState)


@pytest.fixture
def _asked_again() -> Iterator[None]:
    gpt.mapped_state.cache_clear()
    yield
    gpt.mapped_state.cache_clear()


@torch.no_grad()
@pytest.mark.parametrize(
    "error", [ModuleNotFoundError("numba"), RuntimeError("no locator available"), OSError("full"), AttributeError("ir")]
)
@pytest.mark.usefixtures("_asked_again")
def test_without_numba_or_a_place_for_its_code_plans_are_made_without_maps(
    error: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails() -> None:
        raise error

    monkeypatch.setattr("ttf_plugins.gpt.kernels.compile_all", fails)
    assert isinstance(tiny().start(1, 2), TiledState)
