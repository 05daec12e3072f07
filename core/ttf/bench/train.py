"""Tokens trained on in a second, against the published training step and against the arithmetic that they need."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass, replace
from functools import partial
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import torch
from torch import Tensor

from ttf import interop
from ttf.bench.measure import Measurement, in_turns, times_as_long
from ttf.bench.parts import random_rows
from ttf.bench.published import PublishedModel, published_update
from ttf.device import has_bfloat16
from ttf.episodes import Windows, tokenise
from ttf.errors import TtfError
from ttf.interfaces.model import linear_weights
from ttf.layout import Layout
from ttf.loss import TokenLoss
from ttf.sections import TrainingConfig
from ttf.train import Trainer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from ttf.bench.parts import Parts
    from ttf.interfaces.discretizer import Discretizer
    from ttf.interfaces.model import SequenceModel

BINS, ROUNDS = 100, 10
"""Bins of a dimension; updates of each, in turns."""

TOLERANCE = 1e-4
"""Between logits of the published model and ours with its weights."""


@dataclass(frozen=True)
class Case:
    """A model and its batches."""

    name: str
    layout: Layout
    context: int
    batch: int
    layers: int = 4
    heads: int = 4
    width: int = 128
    dropout: float = 0.1
    attention_dropout: float = 0.1
    precision: Literal["float32", "bfloat16"] = "float32"

    @property
    def tokens(self) -> int:
        """Tokens of a batch."""
        return self.batch * self.layout.block(self.context)

    @property
    def published(self) -> Case:
        """The published step for it, which knows one dropout only, and float32."""
        return replace(self, name="published", attention_dropout=self.dropout, precision="float32")

    @property
    def like_for_like(self) -> Case:
        """The published step with its dropout of attention weights, where that is another one."""
        if self.attention_dropout == self.dropout:
            return self.published
        return replace(self.published, name="like for like", attention_dropout=self.attention_dropout)

    def operations(self) -> float:
        """Floating-point operations of an update: linear maps, attention over half of the window, heads; thrice."""
        attention = 4 * self.width * self.layout.block(self.context) / 2
        forward = self.layers * (24 * self.width**2 + attention) + 2 * self.width * (BINS + 1)
        return 3 * self.tokens * forward


HALFCHEETAH = Layout(observation=17, action=6)
CASES = (
    Case("halfcheetah", HALFCHEETAH, context=10, batch=32),
    Case("halfcheetah without attention dropout", HALFCHEETAH, context=10, batch=32, attention_dropout=0.0),
    Case("halfcheetah in bfloat16", HALFCHEETAH, context=10, batch=32, attention_dropout=0.0, precision="bfloat16"),
    Case("small", Layout(observation=29, action=8), 2, 64, layers=3, width=64, dropout=0.0, attention_dropout=0.0),
)
"""The published model with dropout everywhere, with the dearest one off, and that in bfloat16, the published step being
in float32; one that two cores can train on AntMaze."""


def measure(parts: Parts, rate: float) -> Iterator[Measurement]:
    """Time every case; ``rate`` is the machine's, in operations a second.

    Raises:
        TtfError: our model with the published one's weights gives other logits.
    """
    emulated = not has_bfloat16(torch.device("cpu"))
    cases = [case for case in CASES if case.precision == "float32" or not emulated]
    for _, alike in groupby(cases, key=lambda case: case.published):
        with tempfile.TemporaryDirectory() as folder:
            yield from _in_turns(list(alike), parts, rate, Path(folder))


def _in_turns(cases: Sequence[Case], parts: Parts, rate: float, folder: Path) -> Iterator[Measurement]:
    """Time cases that the published step makes the same of, an update of each after one of its own."""
    first = cases[0]
    discretizer, windows = make_data(first, parts, folder)
    _check_equal(first, parts, windows)
    updates: dict[str, Callable[[], object]] = {}
    products: dict[str, Products] = {}  # in each precision
    for case in cases:
        for reference in (case.published, case.like_for_like):
            if reference.name not in updates:
                updates[reference.name] = _published_updates(reference, discretizer, windows)
        trainer = make_trainer(case, parts, discretizer, windows, folder)
        trainer.model.train()
        updates[case.name] = trainer.update
        if case.precision not in products:
            products[case.precision] = Products.of(trainer.model, case.tokens, getattr(torch, case.precision))
    times = in_turns({**updates, **{name: each.multiply for name, each in products.items()}}, ROUNDS)
    for case in cases:
        theirs, ours = times[case.published.name], times[case.name]
        alone = products[case.precision].operations / min(times[case.precision])
        details = {
            "reference_tokens_per_second": case.tokens / min(theirs),
            "times_reference": times_as_long(theirs, ours),
            "of_floor": case.operations() / rate / min(ours),
            "of_products": case.operations() / alone / min(ours),
        }
        if case.like_for_like != case.published:
            details["times_same_dropout"] = times_as_long(times[case.like_for_like.name], ours)
        yield Measurement(f"train/{case.name}", case.tokens / min(ours), "tokens/s", "higher", details)


@dataclass(frozen=True)
class Products:
    """The matrix products of an update's linear maps, forward and for the gradients, and nothing else."""

    factors: Sequence[tuple[Tensor, Tensor, Tensor]]
    """What each map is given (N, inputs), its weight (outputs, inputs), and gradients of what it makes (N, outputs)."""

    @classmethod
    def of(cls, model: SequenceModel, tokens: int, dtype: torch.dtype = torch.float32) -> Products:
        """Those of a model for so many tokens, of random numbers."""
        weights = [weight.detach().to(dtype) for weight in linear_weights(model)]
        random = partial(torch.randn, dtype=dtype, device=weights[0].device)
        return cls([(random(tokens, w.shape[1]), w, random(tokens, len(w))) for w in weights])

    @property
    def operations(self) -> float:
        """Floating-point operations."""
        return sum(3 * 2 * len(x) * weight.numel() for x, weight, _ in self.factors)

    def multiply(self) -> None:
        """Do all of them."""
        for x, weight, gradients in self.factors:
            torch.mm(x, weight.t())
            torch.mm(gradients, weight)
            torch.mm(gradients.t(), x)


def make_data(case: Case, parts: Parts, folder: Path) -> tuple[Discretizer, Windows]:
    """Random rows in windows, and what made tokens of them."""
    rows = random_rows(case.layout, 20_000, 20)
    discretizer = parts.discretizer("uniform", bins=BINS).build(case.layout)
    discretizer.fit(torch.from_numpy(rows.values))
    tokens = tokenise(rows, discretizer, folder / "tokens.npy")
    return discretizer, Windows(tokens, rows, stop=discretizer.stop, context=case.context, stride=1)


def make_trainer(case: Case, parts: Parts, discretizer: Discretizer, windows: Windows, folder: Path) -> Trainer:
    """A trainer of a fresh model, on the discretizer's device."""
    names = ("layers", "heads", "width", "context", "dropout", "attention_dropout")
    model = parts.model(**{name: getattr(case, name) for name in names}).build(case.layout, BINS)
    model.to(discretizer.live.device)
    config = TrainingConfig(steps=1000, batch_size=case.batch, precision=case.precision)
    return Trainer(
        model, discretizer, windows, None, config, seed=0, folder=folder, recipe_hash="", report=lambda _: None
    )


def _published_updates(case: Case, discretizer: Discretizer, windows: Windows) -> Callable[[], float]:
    """What makes an update of the published model, from windows drawn at random."""
    published = _published(case).train()
    optimizer = published.optimizer(6e-4)
    weights = TokenLoss(discretizer, TrainingConfig(), case.layout.block(case.context)).weights

    def update() -> float:
        batch = windows.batch(torch.randint(len(windows), (case.batch,)).numpy())
        return published_update(published, optimizer, batch, weights)

    return update


def _published(case: Case) -> PublishedModel:
    """The published model of a case's size."""
    return PublishedModel(
        case.layout,
        BINS,
        case.context,
        layers=case.layers,
        heads=case.heads,
        width=case.width,
        dropout=case.dropout,
        attention_dropout=case.attention_dropout,
    )


def _check_equal(case: Case, parts: Parts, windows: Windows) -> None:
    """Raise a TtfError if our model makes something else of the published one's weights."""
    size = {"layers": case.layers, "heads": case.heads, "width": case.width, "context": case.context}
    ours, published = parts.model(**size).build(case.layout, BINS).eval(), _published(case).eval()
    interop.load(ours, interop.convert(published.state_dict()))
    tokens = windows.batch(torch.arange(4).numpy()).inputs
    with torch.no_grad():
        difference = float((ours(tokens) - published(tokens)).abs().max())
    if not difference <= TOLERANCE:
        message = f"train/{case.name}: logits differ by {difference:.1e} from those of the published model"
        raise TtfError(message)
