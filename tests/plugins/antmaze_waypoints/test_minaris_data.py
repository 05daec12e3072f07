"""Minari's AntMaze data takes the place of the collected data, by the command in the recipe's header."""

from __future__ import annotations

import shlex
import warnings
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

pytest.importorskip("gymnasium_robotics", reason="AntMaze is in the extra 'mujoco'")

import minari

from ttf.assemble import run_recipe
from ttf.interfaces.data import EnvironmentSpec
from ttf.recipe import load
from ttf.recording import Recording
from ttf.registered import make
from ttf.testing.quiet import Quiet
from ttf_plugins.antmaze_waypoints.antmaze_waypoints import environment_spec
from ttf_plugins.antmaze_waypoints.collect import RULE

if TYPE_CHECKING:
    from ttf.registry import Registry

RECIPES = Path(__file__).parents[3] / "recipes"
RECORDED = [[1, 1, 1, 1, 1], [1, "g", 0, 0, 1], [1, 1, 1, 0, 1], [1, "r", 0, 0, 1], [1, 1, 1, 1, 1]]
MIRRORED = [[1, 1, 1, 1, 1], [1, 0, 0, "r", 1], [1, 0, 1, 1, 1], [1, 0, 0, "g", 1], [1, 1, 1, 1, 1]]


@pytest.fixture(autouse=True)
def _recorded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A few steps in the environment that D4RL/antmaze/umaze-v1 names, which names another for evaluation."""
    (tmp_path / "minari").mkdir()
    monkeypatch.setenv("MINARI_DATASETS_PATH", str(tmp_path / "minari"))
    environment, mirrored = (make(EnvironmentSpec("AntMaze_UMaze-v4", {"maze_map": m})) for m in (RECORDED, MIRRORED))
    random, buffers = np.random.default_rng(0), []
    for seed in range(4):
        recording = Recording(environment, RULE, seed)
        for _ in range(30):
            assert recording.step(random.uniform(-1, 1, 8).astype(np.float32))
        recording.cut_off()
        buffers.append(recording.buffer())
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # Minari would like to know more about the data set
        minari.create_dataset_from_buffers("D4RL/antmaze/umaze-v1", buffers, env=environment, eval_env=mirrored)


def overrides(recipe: Path) -> list[str]:
    """The values of ``--set`` of the command in a recipe's header."""
    lines = recipe.read_text(encoding="utf-8").splitlines()
    command = shlex.split(" ".join(line[4:].removesuffix("\\") for line in lines if line.startswith("#   ")))
    assert command[:3] == ["ttf", "run", recipe.stem]
    assert set(command[3::2]) == {"--set"}
    return command[4::2]


def test_the_headers_command_reads_the_same_columns_and_acts_in_the_same_maze(builtin_registry: Registry) -> None:
    file = RECIPES / "antmaze_value_guided.yaml"
    recipe = load(file, builtin_registry, overrides(file))
    assert recipe.environment is not None
    assert recipe.name != load(file, builtin_registry).name
    source = recipe.data.build(seed=0, progress=Quiet())
    assert source.rule == RULE
    assert source.episodes()[0].observations.shape == (30, 29)
    environment = recipe.environment.build(source)
    collected = environment_spec("umaze").options
    assert environment.id == "AntMaze_UMaze-v4"
    assert environment.options["maze_map"] == RECORDED
    for option in ("goal_cell", "continuing_task"):
        assert environment.options[option] == collected[option]
    session = environment.session(3)
    starts = session.reset([0, 1, 2])[:, :2]
    assert np.abs(starts - [-4, -4]).max() < 2
    session.close()
    environment.close()


def test_the_headers_command_runs_to_the_end_of_the_recipes_smoke_twin(
    builtin_registry: Registry, tmp_path: Path
) -> None:
    small = ["baselines.1.hidden=16", "baselines.1.updates=20", "baselines.1.batch_size=32"]
    command = overrides(RECIPES / "antmaze_value_guided.yaml")
    recipe = load(RECIPES / "smoke" / "antmaze_value_guided.yaml", builtin_registry, [*command, *small])
    run = run_recipe(recipe, runs_dir=tmp_path / "runs", resume=False, progress=Quiet())
    assert [row["policy"] for row in run.read("result")["policies"]] == ["value_guided", "iql", "bc"]
    assert run.read("run")["data"]["id"] == "D4RL/antmaze/umaze-v1"
