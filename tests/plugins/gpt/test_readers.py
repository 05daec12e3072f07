"""What several rows read is stored once, and every row reads what it would have read of its own."""

from __future__ import annotations

import pytest
import torch

from ttf.layout import Layout
from ttf_plugins.gpt import GPTConfig, readers, state
from ttf_plugins.gpt.readers import Readers
from ttf_plugins.gpt.state import GPTState

CASES = 200


def random_reads(seed: int) -> tuple[torch.Tensor, int]:
    """What some rows read (B, K), and of how many stored rows."""
    generator = torch.Generator().manual_seed(seed)
    groups, rows, stored = (int(torch.randint(1, most, (), generator=generator)) for most in (4, 40, 30))
    return torch.randint(stored, (groups, rows), generator=generator), stored


@pytest.mark.parametrize("shared", [1, 2, 8])
def test_rows_gather_what_they_read(shared: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(readers, "SHARED", shared)
    for seed in range(CASES):
        reads, stored = random_reads(seed)
        (groups, rows), heads, count, size = reads.shape, 2, 1 + seed % 3, 4
        sharing = Readers.sharing(reads, stored, heads)
        kept = reads.gather(1, sharing.first)  # what is to be stored of what was stored
        assert kept.gather(1, sharing.reads).equal(reads)
        copies = 1 + seed % 2
        sharing, reads = sharing.repeat(copies), reads.repeat(1, copies)
        keys = torch.randn(groups, stored, heads, size, 5, dtype=torch.float64)
        queries = torch.randn(groups * rows * copies, heads, count, size, dtype=torch.float64)
        group = torch.arange(groups).unsqueeze(1)
        matrices = torch.bmm(sharing.gather(queries), keys[group, kept].flatten(0, 2))
        expected = queries @ keys[group, reads].flatten(0, 1)
        torch.testing.assert_close(sharing.scatter(matrices, queries), expected)


@pytest.mark.parametrize("shared", [1, 2, 8])
def test_no_more_is_stored_than_readers_need(shared: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(readers, "SHARED", shared)
    for seed in range(CASES):
        reads, stored = random_reads(seed)
        sharing = Readers.sharing(reads, stored, heads=1)
        counted = [torch.bincount(row, minlength=stored) for row in reads]
        needed = max(sum(-(-int(readers) // shared) for readers in row) for row in counted)
        assert sharing.stored == (1 if stored == 1 else needed)
        assert sharing.each <= (shared if stored > 1 else reads.shape[1])


@torch.no_grad()
def test_rows_that_go_on_from_one_store_its_keys_once() -> None:
    torch.manual_seed(0)
    model = GPTConfig(layers=1, heads=2, width=8, context=3).build(Layout(2, 1), 5).eval()
    begun = model.start(1, model.block)
    _, begun = model.read(torch.zeros(1, 2, dtype=torch.int64), begun)
    _, begun = model.read(torch.zeros(4, 3, dtype=torch.int64), begun.repeat(4))
    assert isinstance(begun, GPTState)
    apart = begun.select(torch.tensor([[0, 0, 0, 1, 1, 3]]))
    assert [(part.readers.stored, part.filled) for part in apart.segments] == [(1, 2), (3, 2)]  # values leave no keys
    _, read = model.read(torch.zeros(6, 1, dtype=torch.int64), apart)
    assert isinstance(read, GPTState)
    again = read.select(torch.tensor([[5, 4, 3, 2, 1, 0]]))
    assert [(part.readers.stored, part.filled) for part in again.segments] == [(1, 2), (6, 3)]


@torch.no_grad()
def test_what_few_rows_read_stays_apart_from_what_many_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(state, "JOINED", 0)
    torch.manual_seed(0)
    model = GPTConfig(layers=1, heads=2, width=8, context=3).build(Layout(2, 1), 5).eval()
    _, begun = model.read(torch.zeros(2, 1, dtype=torch.int64), model.start(1, model.block).repeat(2))
    _, begun = model.read(torch.zeros(4, 2, dtype=torch.int64), begun.select(torch.tensor([[0, 0, 1, 1]])))
    assert isinstance(begun, GPTState)
    chosen = begun.select(torch.tensor([[3, 2, 1, 0]]))
    assert [(part.readers.stored, part.filled) for part in chosen.segments] == [(2, 1), (4, 2)]
    assert chosen.segments[0].keys is begun.segments[0].keys
