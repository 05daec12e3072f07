"""How fast a GPU plans and trains: token by token, and with what spares it waiting for Python."""

from __future__ import annotations

import copy
import tempfile
import warnings
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from ttf.bench import train
from ttf.bench.measure import Measurement, clock_seconds, device_clock
from ttf.bench.plan import Problem, check_rounding
from ttf.captured import COMES
from ttf.device import has_bfloat16
from ttf.search import BeamSearch
from ttf.testing.search import compare_searches

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from torch import Tensor

    from ttf.bench.parts import Parts
    from ttf.bench.plan import Case

MODES: Mapping[str, Mapping[str, object]] = {
    "token by token": {"speculate": "off", "cuda_graph": False},
    "speculated": {"speculate": "on"},
    "recorded": {"speculate": "off", "cuda_graph": True},
}
"""Settings of a search."""

TRAINING = train.Case(
    "halfcheetah", train.HALFCHEETAH, context=10, batch=256, attention_dropout=0.0, precision="bfloat16"
)
"""The published model with batches of 256."""

UPDATES = 10


def measure(
    parts: Parts, cases: tuple[Case, ...], device: torch.device, training: train.Case = TRAINING
) -> Iterator[Measurement]:
    """Time plans and updates by the clock, once everything is compiled and recorded."""
    for case in cases:
        yield from _plans(case, parts, device)
    yield _updates(training, parts, device)


def _plans(case: Case, parts: Parts, device: torch.device) -> Iterator[Measurement]:
    """The plans of a case; how many of their tokens are not the reference's is among the details."""
    problem = Problem.of(case, parts, 1)
    plain = _on(problem, device, torch.float32, MODES["token by token"])
    now = device_clock(device)
    compared = compare_searches(plain.search, plain.context, plain.uniforms, clock=now)
    if compared.differing:
        check_rounding(case, _on(problem.exactly(), device, torch.float64, MODES["token by token"]))
    for dtype in (torch.float32, torch.bfloat16):
        for mode, settings in MODES.items():
            name = f"gpu/plan {case.name}, {mode}{', bfloat16' if dtype is torch.bfloat16 else ''}"
            made = _on(problem, device, dtype, settings)
            try:
                tokens = _prepared(made)
            except RuntimeWarning as refused:
                warnings.warn(f"{name} is not timed: {refused}", RuntimeWarning, stacklevel=2)
                continue
            seconds = clock_seconds(made.plan, device)
            details = {
                "reference_seconds": compared.reference_seconds,
                "times_reference": compared.reference_seconds / seconds,
                "tokens": tokens.numel(),
                "differing": int((tokens != compared.reference.tokens).sum()),
            }
            yield Measurement(name, seconds, "s", "lower", details)


def _prepared(problem: Problem) -> Tensor:
    """The plan of a problem that has been planned often enough to be recorded.

    Raises:
        RuntimeWarning: it cannot be.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("error", RuntimeWarning)
        for _ in range(COMES + 1):
            tokens = problem.plan()
    return tokens


def _on(problem: Problem, device: torch.device, dtype: torch.dtype, settings: Mapping[str, object]) -> Problem:
    """The problem on a device, with a model in another precision and other settings."""
    search = problem.search
    model, discretizer = copy.deepcopy(search.model).to(device, dtype), copy.deepcopy(search.discretizer).to(device)
    changed = BeamSearch(model, discretizer, replace(search.settings, **settings))  # type: ignore[arg-type]
    return Problem(changed, problem.context.to(device), problem.uniforms.to(device))


def _updates(case: train.Case, parts: Parts, device: torch.device) -> Measurement:
    """Tokens a second of training, beside the rate of the matrix products of its linear maps."""
    if not has_bfloat16(device):
        case = replace(case, precision="float32")
    with tempfile.TemporaryDirectory() as folder:
        discretizer, windows = train.make_data(case, parts, Path(folder))
        trainer = train.make_trainer(case, parts, discretizer.to(device), windows, Path(folder))
        trainer.model.train()
        trainer.update()  # compiles

        def updates() -> None:
            for _ in range(UPDATES):
                trainer.update()

        seconds = clock_seconds(updates, device) / UPDATES
    products = train.Products.of(trainer.model, case.tokens, getattr(torch, case.precision))
    rate = products.operations / clock_seconds(products.multiply, device)
    details = {"of_products": case.operations() / rate / seconds, "gemm_gflops": rate / 1e9}
    return Measurement(f"gpu/train {case.name}, {case.precision}", case.tokens / seconds, "tokens/s", "higher", details)
