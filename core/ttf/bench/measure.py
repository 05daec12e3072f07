"""Measurements, and how they are taken."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from time import perf_counter, process_time
from typing import TYPE_CHECKING, Any, Literal

import torch

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

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


def cpu_seconds(action: Callable[[], object], runs: int = 3) -> float:
    """Processor time of the fastest of some runs, which what else runs on the machine disturbs least."""
    return _fastest(process_time, action, runs)


def clock_seconds(action: Callable[[], object], device: torch.device, runs: int = 5) -> float:
    """Time by the clock of the fastest of some runs, until the device has done all; the first run does not count."""

    def now() -> float:
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        return perf_counter()

    action()
    return _fastest(now, action, runs)


def _fastest(now: Callable[[], float], action: Callable[[], object], runs: int) -> float:
    times = []
    for _ in range(runs):
        started = now()
        action()
        times.append(now() - started)
    return min(times)


def gemm_rate(runs: int = 20) -> float:
    """Floating-point operations that the machine does in a second of processor time, multiplying matrices."""
    a = torch.randn(GEMM_SIZE, GEMM_SIZE)
    b = torch.randn(GEMM_SIZE, GEMM_SIZE)
    out = torch.empty(GEMM_SIZE, GEMM_SIZE)
    torch.mm(a, b, out=out)
    return 2 * GEMM_SIZE**3 / cpu_seconds(lambda: torch.mm(a, b, out=out), runs)
