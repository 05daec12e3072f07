"""How long one plan takes, against a full forward for every token and against the arithmetic that it needs."""

from __future__ import annotations

import copy
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from multiprocessing import get_context
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import torch
from torch import Tensor

from ttf.bench.measure import Measurement, clock, cpu_seconds, in_turns, times_as_long
from ttf.bench.parts import Parts
from ttf.errors import TtfError
from ttf.interfaces.model import linear_weights
from ttf.layout import Layout
from ttf.sampling import Sampling
from ttf.search import BeamSearch, BeamSettings
from ttf.testing.search import compare_searches

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ttf.interfaces.model import SequenceModel

BINS, CONTEXT = 100, 5
"""Published: bins of a dimension, and transitions that the planner sees."""

TOGETHER = 8
"""Environments planned at once, to be compared with as many planned alone."""

ROUNDS = 10
"""Of plans made together and alone, in turns."""

RUNNING = 8.0
"""Seconds in which a plan is made again and again; the shorter it is, the more it is disturbed."""

_STATUS, _PEAK = Path("/proc/self/status"), Path("/proc/self/clear_refs")

WEIGHTS = 0.05
"""Deviation of the random weights: large enough for plans that are not all alike."""


@dataclass(frozen=True)
class Case:
    """A published planning problem: the size of the task and of the search."""

    name: str
    observation: int
    action: int
    horizon: int
    beam_width: int
    window: Literal["sliding", "growing"] = "sliding"

    @property
    def layout(self) -> Layout:
        """Its columns."""
        return Layout(self.observation, self.action)


CASES = (
    Case("halfcheetah", observation=17, action=6, horizon=5, beam_width=32),
    Case("halfcheetah growing", observation=17, action=6, horizon=5, beam_width=32, window="growing"),
    Case("hopper", observation=11, action=3, horizon=15, beam_width=128),
    Case("walker2d", observation=17, action=6, horizon=15, beam_width=128),
)
"""The published sizes; `growing` shows the model all of a plan instead of its last transitions."""

QUICK = CASES[:2]
"""Those that take less than a minute with the reference."""


@dataclass(frozen=True)
class Problem:
    """A search with random weights, contexts and random numbers."""

    search: BeamSearch
    context: Tensor
    uniforms: Tensor

    @classmethod
    def of(cls, case: Case, parts: Parts, contexts: int) -> Problem:
        """That of a case, the same in every run."""
        layout, generator = case.layout, torch.Generator().manual_seed(0)
        growing = case.window == "growing"
        model = parts.model(context=CONTEXT + case.horizon if growing else CONTEXT).build(layout, BINS).eval()
        with torch.no_grad():
            for weights in model.parameters():
                if weights.dim() > 1:
                    weights.copy_(WEIGHTS * torch.randn(weights.shape, generator=generator))
        discretizer = parts.discretizer("uniform", bins=BINS).build(layout)
        discretizer.fit(torch.randn(1000, layout.width, generator=generator))
        settings = BeamSettings(
            horizon=case.horizon,
            beam_width=case.beam_width,
            expand=2,
            limit=model.block if growing else layout.block(CONTEXT),
            discount=0.99,
            sampling=Sampling(reference_cdf=0.6),
            stop="end",
        )
        search = BeamSearch(model, discretizer, settings)
        context = torch.randint(BINS, (contexts, layout.prompt(CONTEXT - 1)), generator=generator)
        return cls(search, context, torch.rand(search.uniforms_shape(contexts), generator=generator))

    def exactly(self) -> Problem:
        """The same in float64."""
        search = copy.deepcopy(self.search)
        search.model.double()
        search.discretizer.double()
        return Problem(search, self.context, self.uniforms.double())

    def plan(self) -> Tensor:
        """Tokens (B, H, D) of the plans."""
        return self.search.plan(self.context, self.uniforms).tokens

    def plan_alone(self) -> Tensor:
        """As ``plan``, one context after the other."""
        numbers = torch.split(self.uniforms, 1, dim=2)
        alone = zip(torch.split(self.context, 1), numbers, strict=True)
        return torch.cat([self.search.plan(context, uniforms).tokens for context, uniforms in alone])


def floor(case: Case, model: SequenceModel) -> float:
    """Floating-point operations that an exact planner with a cache of keys and values needs for one plan.

    Every written token is read once by every row that has it, and where the window moves, what is left in it of the
    plan is read again by every beam, at another position. Of a token from which nothing is predicted, the last block
    needs keys and values only. What all rows have in common, embeddings, norms and sampling do not count, and equal
    rows are not merged: a planner that does can be faster.
    """
    width = next(iter(linear_weights(model))).shape[1]
    layers = sum(weights.numel() for weights in linear_weights(model)) // (12 * width**2)
    block, ends, head = 2 * 12 * width**2, 2 * 2 * width**2, 2 * width * (BINS + 1)

    def read(rows: int, tokens: int, seen: int, *, predicts: bool = True) -> int:
        full = layers if predicts else layers - 1
        return rows * tokens * (full * (block + 4 * width * seen) + (head if predicts else ends))

    total, tokens = 0, case.observation + case.action + 2  # of a transition
    for t in range(case.horizon):
        planned = t if case.window == "growing" else min(t, CONTEXT - 1)
        past = CONTEXT - 1 if case.window == "growing" else CONTEXT - 1 - planned
        seen = (past + planned) * (tokens - 1) + tokens // 2  # values are no keys
        if case.window == "sliding":
            total += read(case.beam_width, planned * tokens, seen // 2, predicts=False)
        total += read(2 * case.beam_width, case.action + 1, seen)
        total += read(case.beam_width, case.observation + 1, seen) if t < case.horizon - 1 else 0
    return total


def measure(parts: Parts, cases: tuple[Case, ...], rate: float) -> Iterator[Measurement]:
    """Time every case; ``rate`` is the machine's, in operations a second.

    Raises:
        TtfError: the engine's plans are not those of the reference.
    """
    for case in cases:
        problem = Problem.of(case, parts, 1)
        problem.plan()  # memory is there now
        compared = compare_searches(problem.search, problem.context, problem.uniforms, clock=clock())
        if compared.differing:
            check_rounding(case, problem.exactly())
        runs = max(3, round(RUNNING / compared.seconds))
        seconds = min(cpu_seconds(problem.plan, runs), compared.seconds)
        details = {
            "reference_seconds": compared.reference_seconds,
            "times_reference": compared.reference_seconds / seconds,
            "of_floor": floor(case, problem.search.model) / rate / seconds,
            "tokens": compared.tokens,
            "differing": compared.differing,
            **peak_memory(case),
        }
        yield Measurement(f"plan/{case.name}", seconds, "s", "lower", details)
    yield together(cases[0], parts)


def check_rounding(case: Case, exact: Problem) -> None:
    """Check plans that differ in float32, where rounding decides what is all but a tie.

    Raises:
        TtfError: they differ in float64 still.
    """
    compared = compare_searches(exact.search, exact.context, exact.uniforms)
    if compared.differing:
        message = f"{case.name}: {compared.differing} of {compared.tokens} tokens are not those of the reference"
        raise TtfError(message)


def together(case: Case, parts: Parts) -> Measurement:
    """What planning for several environments at once costs, compared with one after the other."""
    problem = Problem.of(case, parts, TOGETHER)
    tokens = problem.plan()
    differing = int((tokens != problem.plan_alone()).sum())
    if differing:
        exact = problem.exactly()
        decided = int((exact.plan() != exact.plan_alone()).sum())
        if decided:
            message = f"{case.name}: {decided} tokens of plans made together are not those of plans made alone"
            raise TtfError(message)
    times = in_turns({"together": problem.plan, "alone": problem.plan_alone}, ROUNDS)
    share = times_as_long(times["together"], times["alone"])
    details = {"alone_seconds": min(times["alone"]), "tokens": tokens.numel(), "differing": differing}
    return Measurement(f"plan/{TOGETHER} together", share, "of alone", "lower", details)


def peak_memory(case: Case) -> dict[str, float]:
    """Megabytes that a process needs at most for a plan, above what it has once all is imported and built.

    Nothing where the system does not say; Linux does, unless it is a container's that must not ask.
    """
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as process:
        peak = process.submit(_peak, case, torch.get_num_threads()).result()
    return {} if peak is None else {"peak_mb": peak}


def _peak(case: Case, threads: int) -> float | None:
    """Megabytes of this process's first plan; None where the system does not say."""
    from ttf.registry import load_registry

    torch.set_num_threads(threads)
    parts = Parts(load_registry())
    Problem.of(replace(case, horizon=1, beam_width=1), parts, 1).plan()  # libraries and their buffers are no plan's
    problem = Problem.of(case, parts, 1)
    try:
        _PEAK.write_text("5")  # the peak is now what there is
        before = _megabytes("VmRSS")
    except OSError:
        return None
    problem.plan()
    return _megabytes("VmHWM") - before


def _megabytes(line: str) -> float:
    """A figure of this process, such as ``VmHWM``, its peak."""
    status = dict(row.split(":", 1) for row in _STATUS.read_text().splitlines())
    return int(status[line].split()[0]) / 1024
