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


def test_rows_that_were_once_different_stay_different(monkeypatch: pytest.MonkeyPatch) -> None:
    model, discretizer, settings, _ = random_case(4)
    assert model.context == 4
    settings, width = replace(settings, limit=model.block, horizon=5), model.layout.width
    reader = Reader(model, random_context(model, discretizer, 0, 2, seed=0), settings)
    begun = width - reader.tokens.shape[1]
    reader.repeat(3)
    written = torch.randint(model.bins, (2, 3, begun + 3 * width + 1), generator=GENERATOR)
    written[:, 1, begun : begun + width] = written[:, 0, begun : begun + width]
    written[:, :, begun + width : begun + 2 * width] = written[:, :1, begun + width : begun + 2 * width]
    read: list[int] = []
    ask = model.read

    def noted(tokens: Tensor, state: State) -> tuple[Tensor, State]:
        read.append(len(tokens))
        return ask(tokens, state)

    monkeypatch.setattr(model, "read", noted)
    with torch.inference_mode():
        for tokens in written.flatten(0, 1).unbind(1):
            reader.write(tokens)
        logits = reader.logits()
        expected = model(reader.tokens[:, width:])[:, -1]
    torch.testing.assert_close(logits, expected)
    assert read == [2 * 2, 2 * 2, 2 * 3]  # the transition in which all are alike is read once for each of two pasts


def test_a_state_is_started_once_however_often_the_window_moves(monkeypatch: pytest.MonkeyPatch) -> None:
    model, discretizer, settings, _ = random_case(4)
    started: list[int] = []
    start = model.start

    def counted(batch: int, capacity: int, goal: Tensor | None = None) -> State:
        started.append(batch)
        return start(batch, capacity, goal)

    monkeypatch.setattr(model, "start", counted)
    settings = replace(settings, limit=model.layout.block(2), horizon=5)
    reader = Reader(model, random_context(model, discretizer, 1, 2, seed=0), settings)
    firsts = set()
    with torch.inference_mode():
        for _ in range(3 * model.layout.width):
            logits = reader.logits()
            torch.testing.assert_close(logits, model(reader.tokens[:, reader._first :])[:, -1])
            firsts.add(reader._first)
            reader.write(logits.argmax(-1))
    assert len(firsts) == 4
    assert started == [2]
