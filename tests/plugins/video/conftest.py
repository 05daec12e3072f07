"""Runs to make videos of: a maze with plans, and recorded episodes of registered environments."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from ttf.interfaces.data import EnvironmentSpec
from ttf.interfaces.environment import FloorPlan
from ttf.observations import ObservationRule
from ttf.registered import make
from ttf.run_dir import RunDir, save_trajectories, write_lines

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

SEED = 3

PROBE = """
import os
os.environ["MUJOCO_GL"] = "egl"
import gymnasium
environment = gymnasium.make("Hopper-v5", render_mode="rgb_array")
environment.reset(seed=0)
assert environment.render().any()
"""


@pytest.fixture(scope="session")
def egl() -> None:
    """Skips where MuJoCo cannot render by EGL."""
    done = subprocess.run([sys.executable, "-c", PROBE], capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"MuJoCo cannot render by EGL here: {(done.stderr.strip().splitlines() or ['no reason'])[-1]}")


@pytest.fixture
def run(tmp_path: Path) -> RunDir:
    """An empty run folder."""
    folder = tmp_path / "run"
    folder.mkdir()
    return RunDir(folder)


def way(steps: int) -> NDArray[np.float32]:
    """From (0, 0) to the right; columns are x, y and the goal's x and y."""
    x = np.linspace(0, 4, steps + 1)
    zeros = np.zeros_like(x)
    return np.column_stack([x, zeros, zeros + 4, zeros]).astype(np.float32)


@pytest.fixture
def maze_run(run: RunDir) -> RunDir:
    """Two episodes of a planner in a corridor of 5 x 1 cells, the second of which fails, and one of a random policy."""
    cells = [(float(x), float(y)) for y in (-1, 0, 1) for x in range(-1, 6) if abs(y) == 1 or x in (-1, 5)]
    run.write("floor_plan", asdict(FloorPlan(walls=cells, cell=1.0, position=(0, 1), goal=(2, 3))))
    driven = way(12)
    arrays = {f"{policy}/observations": driven for policy in ("beam search/0", "beam search/1", "random/0")}
    arrays |= {f"beam search/{episode}/plan/{step}": driven[step : step + 4] for episode in (0, 1) for step in (0, 6)}
    save_trajectories(run, arrays)
    run.write("result", {"policies": [{"policy": "random"}, {"policy": "beam search"}]})
    names = (("beam search", 0, True), ("beam search", 1, False), ("random", 0, None))
    write_lines(run.episodes, [{"policy": p, "episode": e, "seed": SEED, "success": s} for p, e, s in names])
    return run


def played(run: RunDir, environment: str, steps: int, **options: Any) -> RunDir:  # noqa: ANN401
    """A run folder with one recorded episode of random actions."""
    spec, rule = EnvironmentSpec(environment, options), ObservationRule()
    world = make(spec)
    world.action_space.seed(0)
    seen = [rule.flatten(world.reset(seed=SEED)[0])]
    acted = [np.asarray(world.action_space.sample(), dtype=np.float32) for _ in range(steps)]
    seen += [rule.flatten(world.step(action)[0]) for action in acted]
    world.close()
    save_trajectories(run, {"random/0/observations": np.stack(seen), "random/0/actions": np.stack(acted)})
    run.recipe.write_text("name: x\nenvironment: {kind: gymnasium}\n", encoding="utf-8")
    source = {"environment": environment, "options": options, "keys": None, "dims": None}
    run.write("run", {"source": source})
    run.write("result", {"policies": [{"policy": "random"}]})
    write_lines(run.episodes, [{"policy": "random", "episode": 0, "seed": SEED, "success": None}])
    return run
