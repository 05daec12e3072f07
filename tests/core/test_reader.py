"""Rows that are alike are read once, and every row goes on from the one that was read for it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
import torch
from tests.core.search_cases import Centres, random_case, random_context

from ttf.reader import Reader, leading

if TYPE_CHECKING:
    from torch import Tensor

    from ttf.interfaces.model import State

GENERATOR = torch.Generator().manual_seed(0)


def test_each_row_follows_the_first_that_is_alike() -> None:
    generator = torch.Generator().manual_seed(0)
    for _ in range(50):
        kinds = torch.randint(0, 4, (3, 6), generator=generator)
        leaders, follows = leading(kinds.unsqueeze(1) == kinds.unsqueeze(2))
        assert leaders.shape[1] == max(len(set(row)) for row in kinds.tolist())
        for row, read, chosen in zip(kinds.tolist(), leaders.tolist(), follows.tolist(), strict=True):
            assert [read[i] for i in chosen] == [row.index(kind) for kind in row]


def test_a_window_that_moves_reads_each_kind_of_row_once(monkeypatch: pytest.MonkeyPatch) -> None:
    model, _, settings, _ = random_case(16)
    settings = replace(settings, limit=model.block)
    width, block = model.layout.width, model.block
    reader = Reader(model, random_context(model, Centres(model.layout, model.bins, GENERATOR), 0, 2, seed=0), settings)
    reader.repeat(3)
    written = torch.randint(model.bins, (2, 3, block + 1 - reader.tokens.shape[1]), generator=GENERATOR)
    second = slice(width - reader.tokens.shape[1], 2 * width - reader.tokens.shape[1])
    written[:, 1, second] = written[:, 0, second]  # in the second transition, two of three rows are alike
    shapes: list[tuple[int, ...]] = []
    read = model.read

    def noted(tokens: Tensor, state: State) -> tuple[Tensor, State]:
        shapes.append(tuple(tokens.shape))
        return read(tokens, state)

    monkeypatch.setattr(model, "read", noted)
    with torch.inference_mode():
        for tokens in written.flatten(0, 1).unbind(1):
            reader.write(tokens)
        logits = reader.logits()
        expected = model(reader.tokens[:, width:])[:, -1]
    torch.testing.assert_close(logits, expected)
    assert shapes == [(2 * 2, width), (2 * 3, width)]
