"""Time tokenising, fetching windows, starting the command line and collecting AntMaze data, on one thread.

    OMP_NUM_THREADS=1 python docs/benchmarks/data.py

Every figure is the best of several runs, which is what a machine that others use too disturbs least; that of collecting
counts the processor's time.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch

from ttf.episodes import Rows, Windows, tokenise
from ttf.layout import Layout
from ttf.versions import machine, versions
from ttf_plugins.antmaze_waypoints import AntMazeWaypointsConfig
from ttf_plugins.quantile import QuantileConfig
from ttf_plugins.uniform import UniformConfig

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from ttf.interfaces.discretizer import Discretizer

LAYOUT = Layout(observation=17, action=6)  # HalfCheetah and Walker2d: 25 columns
RECIPE = Path(__file__).parents[2] / "recipes" / "pointmaze_beam_search.yaml"
ROWS, EPISODES, BATCH, CONTEXT = 1_000_000, 1000, 256, 10


def best(action: Callable[[], object], runs: int) -> float:
    """Seconds of the fastest run."""
    times = []
    for _ in range(runs):
        started = time.perf_counter()
        action()
        times.append(time.perf_counter() - started)
    return min(times)


def fetched_equal_read(windows: Windows, tokens: NDArray[np.integer], rows: Rows) -> bool:
    """Whether fetched windows are the tokens that stand at their rows; windows lie within their episodes here."""
    starts = np.arange(0, rows.lengths[0] - CONTEXT, 7)
    expected = np.stack([np.asarray(tokens[start : start + CONTEXT]).ravel() for start in starts])
    batch = windows.batch(starts)
    return bool((batch.inputs.numpy() == expected[:, :-1]).all() and (batch.targets.numpy() == expected[:, 1:]).all())


def time_discretizer(name: str, discretizer: Discretizer, rows: Rows, folder: Path) -> Windows:
    """Print the figures of one discretizer; windows of its tokens."""
    fitting = best(lambda: discretizer.fit(torch.from_numpy(rows.values)), 1)
    encoding = best(lambda: discretizer.encode(torch.from_numpy(rows.values)), 3)
    writing = best(lambda: tokenise(rows, discretizer, folder / f"{name}.npy"), 3)
    print(f"{name}: fit {fitting:.2f} s, encode {encoding:.2f} s, tokenise to disk {writing:.2f} s")
    tokens = tokenise(rows, discretizer, folder / f"{name}.npy")
    windows = Windows(tokens, rows, stop=discretizer.stop, context=CONTEXT, stride=1)
    if not fetched_equal_read(windows, tokens, rows):
        sys.exit(f"{name}: the windows fetched are not the tokens written")
    return windows


class Silent:
    """Progress that nobody sees."""

    def task(self, name: str, total: int, *, done: int = 0, unit: str = "") -> AbstractContextManager[Silent]:  # noqa: ARG002
        """A bar that is not drawn."""
        return nullcontext(self)

    def advance(self, amount: int = 1, **figures: float) -> None:
        """Nothing."""

    def note(self, text: str) -> None:
        """Nothing."""


def time_collection(seed: int) -> float:
    """Environment steps collected in a second of processor time, from making the environments to the stored file."""
    started = time.process_time()
    source = AntMazeWaypointsConfig(steps=10_000).build(seed=seed, progress=Silent())
    return sum(map(len, source.episodes())) / (time.process_time() - started)


def run_ttf(arguments: list[str]) -> None:
    """Run the command line as a process of its own."""
    subprocess.run([Path(sys.executable).with_name("ttf"), *arguments], check=True, capture_output=True)


def main() -> None:
    """Time everything."""
    torch.set_num_threads(1)
    print({**machine(), "threads": 1}, versions())
    random = np.random.default_rng(0)
    values = random.normal(size=(ROWS, LAYOUT.width)).astype(np.float32)
    lengths = np.full(EPISODES, ROWS // EPISODES)
    rows = Rows(LAYOUT, values, lengths, np.zeros(EPISODES, dtype=np.bool_), values[:EPISODES, :0])
    print(f"{ROWS} x {LAYOUT.width} rows, 100 bins")
    with tempfile.TemporaryDirectory() as folder:
        for config in (QuantileConfig(), UniformConfig()):
            windows = time_discretizer(config.kind, config.build(LAYOUT), rows, Path(folder))
        batches = iter([random.integers(len(windows), size=BATCH) for _ in range(201)])
        windows.batch(next(batches))
        times = sorted(best(lambda: windows.batch(next(batches)), 1) for _ in range(200))
        print(f"fetch {BATCH} windows of {CONTEXT * LAYOUT.width} tokens: median {1000 * times[100]:.2f} ms")
    for arguments in (["--help"], ["validate", str(RECIPE)]):
        print(f"ttf {arguments[0]}: {best(partial(run_ttf, arguments), 5):.2f} s")
    with tempfile.TemporaryDirectory() as folder:
        os.environ["MINARI_DATASETS_PATH"] = folder
        time_collection(0)  # imports
        print(f"AntMaze: {max(time_collection(seed) for seed in range(1, 4)):.0f} steps a second")


if __name__ == "__main__":
    main()
