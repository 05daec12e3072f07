"""Measurements, and how they are taken."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from statistics import median
from time import perf_counter, process_time
from typing import TYPE_CHECKING, Any, Literal

import torch

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

GEMM_SIZE = 512
"""Rows and columns of the matrices that the machine's rate is measured with; they fit into a core's cache."""


@dataclass(frozen=True)
class Measurement:
    """One figure, and what stands behind it."""

    name: str
    """Part and case, such as ``plan/hopper``."""

    value: float
    """In ``unit``."""

    unit: str
    """Such as ``s``."""

    better: Literal["lower", "higher"]
    """Which way is faster."""

    details: Mapping[str, float] = field(default_factory=dict)
    """Further figures by name, such as ``times_reference``."""

    def as_json(self) -> dict[str, Any]:
        """For the results file."""
        return asdict(self)


def clock() -> Callable[[], float]:
    """What tells the time: the processor's; the wall's where threads share the work, which is not to count twice."""
    return process_time if torch.get_num_threads() == 1 else perf_counter


def cpu_seconds(action: Callable[[], object], runs: int = 3) -> float:
    """Time by ``clock`` of the fastest of some runs, which what else runs on the machine disturbs least."""
    now = clock()
    return min(_timed(now, action) for _ in range(runs))


def clock_seconds(action: Callable[[], object], device: torch.device, runs: int = 5) -> float:
    """Wall time of the fastest of some runs, until the device has done all; the first run does not count."""
    now = device_clock(device)
    action()
    return min(_timed(now, action) for _ in range(runs))


def device_clock(device: torch.device) -> Callable[[], float]:
    """The wall's clock, which is read once a device has done all that it was given."""

    def now() -> float:
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        return perf_counter()

    return now


def in_turns(actions: Mapping[str, Callable[[], object]], rounds: int) -> dict[str, list[float]]:
    """Times by ``clock`` of actions by name, each once a round: what else runs disturbs all of them alike.

    Each is done once more before it is timed: memory that another has given back would have to be found again.
    """
    now, times = clock(), {name: list[float]() for name in actions}
    for _ in range(rounds):
        for name, action in actions.items():
            action()
            times[name].append(_timed(now, action))
    return times


def times_as_long(one: Sequence[float], other: Sequence[float]) -> float:
    """How many times as long one action took as another, in the median of the rounds."""
    return median(first / second for first, second in zip(one, other, strict=True))


def _timed(now: Callable[[], float], action: Callable[[], object]) -> float:
    started = now()
    action()
    return now() - started


def gemm_rate(runs: int = 20) -> float:
    """Floating-point operations that the machine does in a second, multiplying matrices."""
    a = torch.randn(GEMM_SIZE, GEMM_SIZE)
    b = torch.randn(GEMM_SIZE, GEMM_SIZE)
    out = torch.empty(GEMM_SIZE, GEMM_SIZE)
    torch.mm(a, b, out=out)
    return 2 * GEMM_SIZE**3 / cpu_seconds(lambda: torch.mm(a, b, out=out), runs)
