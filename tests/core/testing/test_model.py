"""The checker of sequence models finds broken ones."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

import pytest
import torch
from tests.core.testing.broken import MEDDLING, complaint, meddling_in, spoiled
from torch import Tensor, nn

from ttf.component import ModelConfig
from ttf.interfaces.model import SequenceModel, State
from ttf.testing import check_sequence_model
from ttf.testing.stand_ins import BagConfig as CorrectConfig
from ttf_plugins.gpt import GPTConfig

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ttf.layout import Layout

Fault = Literal[
    "none",
    "shape",
    "random",
    "count",
    "plain",
    "future",
    "rows",
    "position",
    "shared",
    "select",
    "repeat",
    "read",
    "places",
    "length",
    "blind",
    "any goal",
]


@dataclass(frozen=True, kw_only=True)
class Sum(State):
    """The running sum of what was read."""

    total: Tensor  # (B * K, bins + 1)
    fault: Fault

    def select(self, rows: Tensor) -> Sum:
        chosen = self.flat(rows * 0 if self.fault == "select" else rows)
        return replace(self, total=self.total[chosen], rows=rows.shape[1])

    def repeat(self, copies: int) -> Sum:
        if self.fault == "repeat":  # each row by itself, not the group
            return replace(self, total=self.total.repeat_interleave(copies, 0), rows=self.rows * copies)
        return super().repeat(copies)


class Bag(SequenceModel):
    """Logits are a sum over the tokens so far of token times position; one fault on request."""

    def __init__(self, layout: Layout, bins: int, context: int, fault: Fault) -> None:
        super().__init__(layout, bins, context)
        self.fault = fault
        self.hung: list[Tensor] = []
        self.calls = 0
        if fault == "plain":
            self.offset = torch.zeros(1)
        self.table = nn.Parameter(torch.randn(bins + 1, bins + 1))

    def forward(self, tokens: Tensor, goal: Tensor | None = None) -> Tensor:
        if tokens.shape[1] > self.block and self.fault != "length":
            message = "too long"
            raise ValueError(message)
        logits = self._terms(tokens, 0).cumsum(1) + self._aim(goal, len(tokens))[:, None]
        if self.fault == "random":
            logits = logits + torch.rand(1, dtype=logits.dtype)
        if self.fault == "count":
            self.calls += 1
            logits = logits + self.calls
        if self.fault == "future":
            logits = logits + 1e-6 * self.table[tokens[:, -1:]]
        if self.fault == "rows":
            logits = logits + logits.mean(0, keepdim=True)
        return logits[..., 1:] if self.fault == "shape" else logits

    def predict(self, tokens: Tensor, places: Tensor, goal: Tensor | None = None) -> Tensor:
        return self(tokens, goal)[:, : len(places)] if self.fault == "places" else super().predict(tokens, places, goal)

    def _aim(self, goal: Tensor | None, batch: int) -> Tensor:
        if self.fault == "any goal" and goal is not None:
            goal = goal[:, : self.layout.goal]
        terms = self.table[self.goal_tokens(goal, batch)].sum(1)
        return 0 * terms if self.fault == "blind" else terms

    def _terms(self, tokens: Tensor, start: int) -> Tensor:
        positions = torch.arange(start, start + tokens.shape[1]) + 1
        return self.table[tokens] * positions[:, None]

    def start(self, batch: int, capacity: int, goal: Tensor | None = None) -> State:
        return Sum(total=self._aim(goal, batch), fault=self.fault, groups=batch)

    def step(self, tokens: Tensor, state: State) -> tuple[Tensor, State]:
        assert isinstance(state, Sum)
        terms = self._terms(tokens, 0 if self.fault == "position" else state.length)
        before = self.hung[0] if self.fault == "shared" and state.length else state.total
        logits = terms.cumsum(1) + before[: len(tokens), None]
        self.hung = [logits[:, -1].repeat(5, 1)]
        return logits, replace(state, total=logits[:, -1], length=state.length + tokens.shape[1])

    def read(self, tokens: Tensor, state: State) -> tuple[Tensor, State]:
        logits, state = self.step(tokens, state)
        return logits[:, 0 if self.fault == "read" else -1], state

    def decayed_parameters(self) -> Iterable[nn.Parameter]:
        return [self.table]


class BagConfig(ModelConfig):
    """A model with a fault."""

    kind: Literal["bag"] = "bag"

    fault: Fault = "none"
    """What is wrong."""

    def build(self, layout: Layout, bins: int) -> SequenceModel:
        return Bag(layout, bins, self.context, self.fault)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
def test_a_correct_model_passes(dtype: torch.dtype) -> None:
    check_sequence_model(BagConfig(), dtype=dtype)
    check_sequence_model(CorrectConfig(), dtype=dtype)


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        ("shape", "forward returned .*; expected "),
        ("random", "forward, in eval mode, draws from torch's global generator"),
        ("plain", "Bag: the tensor 'offset' is no buffer, so that it is neither saved nor moved; use register_buffer"),
        ("count", "forward gives different logits when called again"),
        ("future", "a token changes the logits before it"),
        ("rows", "a row's logits depend on the other rows"),
        ("position", "(step after|interleaved branch) .* is not the full forward"),
        ("repeat", "(step after|interleaved branch) .* is not the full forward"),
        ("select", "is not the full forward|does not give the last logits"),
        ("read", r"read, after repeat\(1\), does not give the last logits of step"),
        ("places", r"predict, at places \[.*\], is not forward"),
        ("shared", "is not the full forward"),
        ("length", "forward took .* tokens; raise ValueError beyond block = "),
        ("blind", "a goal changes nothing"),
        ("any goal", "forward took a goal of .* dimensions; expected "),
    ],
)
def test_a_broken_model_is_found_out(fault: Fault, message: str) -> None:
    with pytest.raises(AssertionError, match=message):
        check_sequence_model(BagConfig(fault=fault))


def test_a_model_whose_weights_are_not_all_used_incrementally_is_found_out(monkeypatch: pytest.MonkeyPatch) -> None:
    from ttf_plugins.gpt.decoding import Ends

    original = Ends.embedded
    monkeypatch.setattr(Ends, "embedded", lambda self, tokens, start: original(self, tokens, start % self.layout.width))
    with pytest.raises(AssertionError, match="is not the full forward"):
        check_sequence_model(GPTConfig(layers=1, heads=1, width=4))


@pytest.mark.parametrize("meddling", [name for name in MEDDLING if name != "gradients"])  # there are none
@pytest.mark.parametrize("method", ["forward", "step"])
def test_a_model_that_meddles_is_found_out(meddling: str, method: str) -> None:
    config = spoiled(CorrectConfig(), meddling_in(method, meddling))
    assert MEDDLING[meddling][1] in complaint(lambda: check_sequence_model(config))
