"""Time collecting AntMaze data on one thread: environments, files and all, by the processor's time.

OMP_NUM_THREADS=1 python docs/benchmarks/collect.py
"""

from __future__ import annotations

import os
import tempfile
import time

import torch

from ttf.testing.quiet import Quiet
from ttf.versions import machine, versions
from ttf_plugins.antmaze_waypoints import AntMazeWaypointsConfig


def rate(seed: int) -> float:
    """Environment steps collected in a second."""
    started = time.process_time()
    source = AntMazeWaypointsConfig(steps=10_000).build(seed=seed, progress=Quiet())
    return sum(map(len, source.episodes())) / (time.process_time() - started)


def main() -> None:
    """Time the best of three collections."""
    torch.set_num_threads(1)
    print({**machine(), "threads": 1}, versions())
    with tempfile.TemporaryDirectory() as folder:
        os.environ["MINARI_DATASETS_PATH"] = folder
        rate(0)  # imports
        print(f"AntMaze: {max(rate(seed) for seed in range(1, 4)):.0f} steps a second")


if __name__ == "__main__":
    main()
