"""How long the command line takes to start."""

from __future__ import annotations

import subprocess
import sys
import time
from typing import TYPE_CHECKING

from ttf.bench.measure import Measurement
from ttf.errors import PluginError, TtfError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

RUNS = 5
COMMANDS = {"help": ("--help",), "validate": ("validate", "pointmaze_beam_search"), "torch": ("doctor",)}
"""What a user waits for most often; `doctor` imports torch."""


def measure() -> Iterator[Measurement]:
    """Time every command as a process of its own, by the clock.

    Raises:
        TtfError: a command does not do what it is timed for.
    """
    for name, arguments in COMMANDS.items():
        yield Measurement(f"start/{name}", min(_seconds(arguments) for _ in range(RUNS)), "s", "lower")


def _seconds(arguments: Sequence[str]) -> float:
    started = time.perf_counter()
    done = subprocess.run([sys.executable, "-m", "ttf", *arguments], check=False, capture_output=True)  # noqa: S603  (ourselves)
    seconds = time.perf_counter() - started
    if done.returncode not in (0, PluginError.exit_code):  # with a broken plugin, commands still do what they can
        message = f"ttf {' '.join(arguments)} is not timed: it ended with exit code {done.returncode}"
        raise TtfError(message)
    return seconds
