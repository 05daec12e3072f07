"""The contract checkers find broken components."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

import pytest
import torch
from torch import Tensor, nn

from ttf.component import DiscretizerConfig, ModelConfig
from ttf.interfaces.model import SequenceModel, State
from ttf.testing import check_discretizer, check_sequence_model
from ttf_plugins.gpt import GPTConfig
from ttf_plugins.uniform import UniformConfig

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ttf.interfaces.discretizer import Discretizer
    from ttf.layout import Layout

Fault = Literal[
    "none",
    "shape",
    "random",
    "future",
    "rows",
    "position",
    "shared",
    "select",
    "repeat",
    "read",
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
        self.hung = torch.zeros(0)
        self.table = nn.Parameter(torch.randn(bins + 1, bins + 1))

    def forward(self, tokens: Tensor, goal: Tensor | None = None) -> Tensor:
        if tokens.shape[1] > self.block and self.fault != "length":
            message = "too long"
            raise ValueError(message)
        logits = self._terms(tokens, 0).cumsum(1) + self._aim(goal, len(tokens))[:, None]
        if self.fault == "random":
            logits = logits + torch.rand(1, dtype=logits.dtype)
        if self.fault == "future":
            logits = logits + 1e-6 * self.table[tokens[:, -1:]]
        if self.fault == "rows":
            logits = logits + logits.mean(0, keepdim=True)
        return logits[..., 1:] if self.fault == "shape" else logits

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
        before = self.hung if self.fault == "shared" and state.length else state.total
        logits = terms.cumsum(1) + before[: len(tokens), None]
        self.hung = logits[:, -1].repeat(5, 1)
        return logits, replace(state, total=logits[:, -1], length=state.length + tokens.shape[1])

    def read(self, tokens: Tensor, state: State) -> tuple[Tensor, State]:
        logits, state = self.step(tokens, state)
        return logits[:, 0 if self.fault == "read" else -1], state

    def decayed_parameters(self) -> Iterable[nn.Parameter]:
        return [self.table]


class BagConfig(ModelConfig):
    kind: Literal["bag"] = "bag"
    fault: Fault = "none"

    def build(self, layout: Layout, bins: int) -> SequenceModel:
        return Bag(layout, bins, self.context, self.fault)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
def test_a_correct_model_passes(dtype: torch.dtype) -> None:
    check_sequence_model(BagConfig(), dtype=dtype)


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        ("shape", "forward returned .*; expected "),
        ("random", "forward gives different logits when called again"),
        ("future", "a token changes the logits before it"),
        ("rows", "a row's logits depend on the other rows"),
        ("position", "(step after|interleaved branch) .* is not the full forward"),
        ("repeat", "(step after|interleaved branch) .* is not the full forward"),
        ("select", "is not the full forward|does not give the last logits"),
        ("read", r"read, after repeat\(1\), does not give the last logits of step"),
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
    from ttf_plugins.gpt.gpt import GPT

    original = GPT._embed
    monkeypatch.setattr(GPT, "_embed", lambda self, tokens, _, table: original(self, tokens, 0, table))
    with pytest.raises(AssertionError, match="is not the full forward"):
        check_sequence_model(GPTConfig(layers=1, heads=1, width=4))


class WrongConfig(DiscretizerConfig):
    """A uniform discretizer with one method that breaks the contract."""

    kind: Literal["wrong"] = "wrong"
    fault: str = ""

    def build(self, layout: Layout) -> Discretizer:
        discretizer = UniformConfig(bins=self.bins).build(layout)
        encode, decode, expectation = discretizer.encode, discretizer.decode, discretizer.expectation
        outside, fit = discretizer.outside, discretizer.fit
        replacements = {
            "int32": ("encode", lambda values, at=0: encode(values, at).int()),
            "modulo": ("encode", lambda values, at=0: (encode(values, at) + 1) % self.bins),
            "at": ("encode", lambda values, at=0: encode(values)),  # noqa: ARG005
            "nan": ("encode", lambda values, at=0: encode(values.nan_to_num(), at)),
            "decode": ("decode", lambda tokens, at=0: decode(tokens, at) + 0.5),
            "stop": ("decode", lambda tokens, at=0: decode(tokens % self.bins, at)),
            "renormalise": ("expectation", lambda p, at: expectation(p / p.sum(-1, keepdim=True), at)),
            "outside": ("outside", lambda values, at=0: ~outside(values, at)),
            "spoil": ("fit", lambda rows: fit(rows.mul_(2))),
        }
        name, replacement = replacements[self.fault]
        setattr(discretizer, name, replacement)
        return discretizer


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        ("int32", "continuous: encode returned torch.int32; expected int64"),
        ("modulo", "continuous: a larger value got a smaller token; encode must be monotone"),
        ("at", "continuous: encode(x[..., c:c+1], at=c) is not column c"),
        ("nan", "continuous: encode must raise DataError for nan"),
        ("decode", "continuous: encode(decode(token)) is another token; decode into the bin itself"),
        ("stop", "continuous: the stop token must decode as the last live bin"),
        ("renormalise", "continuous: expectation must not renormalise"),
        ("outside", "continuous: outside is true of values that were fitted"),
        ("spoil", "continuous: fit or encode changed its argument; clone what you modify"),
    ],
)
def test_a_broken_discretizer_is_found_out(fault: str, message: str) -> None:
    with pytest.raises(AssertionError) as caught:
        check_discretizer(WrongConfig(fault=fault, bins=8))
    assert str(caught.value) == message
