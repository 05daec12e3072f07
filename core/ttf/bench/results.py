"""Results of a benchmark: a file that later runs can be compared with."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ttf.bench.measure import Measurement
from ttf.device import gpu
from ttf.errors import RecipeError
from ttf.run_dir import write_text
from ttf.versions import machine, now, versions

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path


@dataclass(frozen=True)
class Results:
    """What was measured, where and with what."""

    measurements: list[Measurement]
    """In the order in which they are taken."""

    setting: Mapping[str, Any]
    """Machine, versions, threads, rate and time."""

    @classmethod
    def here(cls, measurements: Sequence[Measurement], *, threads: int, rate: float) -> Results:
        """Those of this machine, whose rate is in operations a second."""
        made = {"created": now(), "machine": {**machine(), **gpu()}, "versions": versions()}
        return cls([*measurements], {**made, "threads": threads, "gemm_gflops": rate / 1e9})

    @classmethod
    def read(cls, file: Path) -> Results:
        """Those of a file.

        Raises:
            RecipeError: it is none that ``write`` has written.
        """
        try:
            found = json.loads(file.read_text(encoding="utf-8"))
            results = cls([_measurement(**entry) for entry in found.pop("measurements")], found)
            results.title()
        except (OSError, ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
            message = f"{file}: not the results of a benchmark: expected a file written by ttf bench --json"
            raise RecipeError(message) from error
        return results

    def write(self, file: Path) -> None:
        """Write them as JSON.

        Raises:
            ResourceError: the file cannot be written.
        """
        document = {**self.setting, "measurements": [measurement.as_json() for measurement in self.measurements]}
        write_text(file, json.dumps(document, indent=2) + "\n")

    def title(self) -> str:
        """Machine, versions, threads and rate in a line."""
        setting = self.setting
        installed = ", ".join(f"{name} {version}" for name, version in setting["versions"].items() if name in _NAMED)
        machine = setting["machine"]
        threads = f"{setting['threads']} thread{'s' if setting['threads'] > 1 else ''}"
        card = f"{machine['gpu']} (CUDA {machine['cuda']}), " if "gpu" in machine else ""
        return (
            f"{threads} of {machine['processor']} ({setting['gemm_gflops']:.0f} GFLOP/s), {card}Python"
            f" {machine['python']}, {installed}"
        )


def _measurement(**fields: Any) -> Measurement:  # noqa: ANN401  (a file's)
    """One of a file.

    Raises:
        ValueError: it can be compared with none.
    """
    named = isinstance(fields["name"], str) and isinstance(fields["unit"], str)
    value, better = fields["value"], fields["better"]
    if not (named and isinstance(value, int | float) and 0 < value < math.inf and better in ("lower", "higher")):
        message = f"{fields}: expected a name, a number above 0, its unit, and whether lower or higher is better"
        raise ValueError(message)
    return Measurement(**fields)


_NAMED = ("torch", "numpy")
