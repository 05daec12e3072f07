"""A synthetic run folder as the training and evaluation loops write it: a point in a maze, three policies."""

from __future__ import annotations

from collections import deque
from dataclasses import asdict
from shutil import copytree
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from safetensors.numpy import save_file

from ttf.interfaces.environment import FloorPlan
from ttf.layout import Layout
from ttf.run_dir import RunDir, write_lines
from ttf.statistics import mean, wilson

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

MAZE = ("########", "#  ##  #", "#  #   #", "##   ###", "#  #   #", "# #  # #", "#   #  #", "########")
LIMIT, SUBSTEPS, HORIZON, EPISODES, DRAWN = 300, 12, 15, 30, 12
POLICIES = ("beam_search", "behaviour", "random")


def cell_position(row: int, column: int) -> tuple[float, float]:
    return column - 3.5, 3.5 - row


def route(start: tuple[int, int], goal: tuple[int, int]) -> list[tuple[int, int]]:
    came: dict[tuple[int, int], tuple[int, int]] = {goal: goal}
    queue = deque([goal])
    while queue:
        row, column = queue.popleft()
        for cell in ((row + 1, column), (row - 1, column), (row, column + 1), (row, column - 1)):
            if MAZE[cell[0]][cell[1]] == " " and cell not in came:
                came[cell] = (row, column)
                queue.append(cell)
    path = [start]
    while path[-1] != goal:
        path.append(came[path[-1]])
    return path


def drive(policy: str, seed: int) -> NDArray[np.float32]:
    """Observations (T + 1, 6): x, y, velocity and goal."""
    free = [(r, c) for r, line in enumerate(MAZE) for c, mark in enumerate(line) if mark == " "]
    choice = np.random.default_rng(seed).choice(len(free), 2, replace=False)
    cells = route(free[choice[0]], free[choice[1]])
    random = np.random.default_rng([seed, POLICIES.index(policy)])
    goal = np.array(cell_position(*cells[-1]))
    if policy == "random":
        xy = np.array(cell_position(*cells[0])) + np.clip(random.normal(0, 0.02, (LIMIT + 1, 2)).cumsum(0), -0.45, 0.45)
    else:
        corners = np.array([cell_position(*cell) for cell in cells], dtype=float)
        pace = SUBSTEPS if policy == "beam_search" else SUBSTEPS + 2
        ticks = np.arange((len(cells) - 1) * pace + 1) / pace
        xy = np.stack([np.interp(ticks, np.arange(len(cells)), corners[:, i]) for i in (0, 1)], axis=1)
        wide = np.pad(xy, ((4, 4), (0, 0)), mode="edge")
        xy = np.stack([np.convolve(wide[:, i], np.ones(9) / 9, mode="valid") for i in (0, 1)], axis=1)
        xy += np.convolve(random.normal(0, 0.12, len(xy) + 8), np.ones(9) / 9, mode="valid")[:, None]
        if policy == "beam_search" and seed % 11 == 5:
            stuck = xy[: len(xy) // 2 + 1]
            xy = np.concatenate([stuck, np.repeat(stuck[-1:], LIMIT + 1 - len(stuck), axis=0)])
    velocity = np.gradient(xy, 0.1, axis=0) if len(xy) > 1 else np.zeros_like(xy)
    return np.concatenate([xy, velocity, np.tile(goal, (len(xy), 1))], axis=1).astype(np.float32)


def imagine(observations: NDArray[np.float32], step: int, seed: int) -> NDArray[np.float32]:
    plan = observations[step : step + HORIZON].copy()
    drift = np.random.default_rng([seed, step]).normal(0, 0.012, plan[:, :4].shape).cumsum(0)
    plan[:, :4] += (drift - drift[0]).astype(np.float32)
    return plan


def episodes(policy: str) -> Iterator[tuple[dict[str, Any], NDArray[np.float32]]]:
    for number in range(EPISODES):
        seed = 10_000 + number
        observations = drive(policy, seed)
        reached = bool(np.linalg.norm(observations[-1, :2] - observations[-1, 4:]) < 0.45)
        steps = len(observations) - 1
        record = {"policy": policy, "episode": number, "seed": seed, "return": float(reached), "steps": steps}
        yield record | {"success": reached, "terminated": reached, "truncated": not reached}, observations


def interval(values: Sequence[float]) -> dict[str, float]:
    return mean(values)._asdict()


def summary(policy: str, records: Sequence[dict[str, Any]]) -> dict[str, Any]:
    count = sum(record["success"] for record in records)
    return {
        "policy": policy,
        "episodes": len(records),
        "return": interval([record["return"] for record in records]),
        "steps": interval([record["steps"] for record in records]),
        "success": wilson(count, len(records))._asdict() | {"count": count},
    }


def write_evaluation(run: RunDir) -> None:
    records: list[dict[str, Any]] = []
    arrays: dict[str, NDArray[np.float32]] = {}
    for policy in POLICIES:
        for record, observations in episodes(policy):
            records.append(record)
            if record["episode"] < DRAWN:
                key = f"{policy}/{record['episode']}"
                arrays[f"{key}/observations"] = observations
                if policy == "beam_search":
                    plans = range(len(observations) - 1)
                    arrays |= {f"{key}/plan/{t}": imagine(observations, t, record["seed"]) for t in plans}
    write_lines(run.episodes, records)
    save_file(arrays, run.trajectories)
    grouped = {policy: [record for record in records if record["policy"] == policy] for policy in POLICIES}
    ours = grouped["beam_search"]
    paired = [
        {"policy": "beam_search", "against": against}
        | {
            field: interval([a[field] - b[field] for a, b in zip(ours, grouped[against], strict=True)])
            for field in ("steps", "return")
        }
        for against in POLICIES[1:]
    ]
    policies = [summary(policy, group) for policy, group in grouped.items()]
    run.write("result", {"recipe": "pointmaze_beam_search", "policies": policies, "paired": paired})


def write_training(run: RunDir, steps: int = 5000) -> None:
    random = np.random.default_rng(0)
    records: list[dict[str, Any]] = []
    for step in range(100, steps + 1, 100):
        level = 1.1 + 3.2 * np.exp(-step / 600)
        records.append(
            {
                "kind": "train",
                "step": step,
                "loss": level + random.normal(0, 0.03),
                "learning_rate": 6e-4 * min(step / 500, 0.55 + 0.45 * np.cos(np.pi * step / steps)),
                "gradient_norm": float(np.exp(random.normal(-0.5, 0.25)) + 3 * np.exp(-step / 300)),
                "tokens_per_second": 41_000.0,
                "seconds": step * 0.05,
            }
        )
        if step % 500 == 0:
            parts = {"observation": 0.9, "action": 2.6, "reward": 0.05, "value": 1.2}
            losses = {f"loss_{part}": weight * level / 1.1 for part, weight in parts.items()}
            records.append({"kind": "validation", "step": step, "loss": level + 0.06, **losses})
    write_lines(run.metrics, records)


def write_discretizer(run: RunDir) -> None:
    columns = []
    for index, name in enumerate(Layout(6, 2).names):
        dead = {6: 12, 8: 98}.get(index, 0)
        span = 1.0 if name == "reward" else 7.0
        column = {"name": name, "live": 100 - dead, "dead": dead, "low": -span / 2, "high": span / 2}
        column |= {"error_mean": span * (0.002 + index * 4e-4), "error_max": span * (0.012 + index * 1e-3)}
        columns.append(column | {"range": span, "clipped_validation": index, "entropy_bits": 6.6 - dead * 0.06})
    acting = {"clipped": 41, "encoded": 25_920}
    run.write("discretizer", {"kind": "quantile", "bins": 100, "columns": columns, "acting": acting})


def write_everything(run: RunDir) -> None:
    write_run(run)
    write_training(run)
    write_discretizer(run)
    write_evaluation(run)
    cells = [cell_position(r, c) for r, line in enumerate(MAZE) for c, mark in enumerate(line) if mark == "#"]
    run.write("floor_plan", asdict(FloorPlan(walls=cells, cell=1.0, position=(0, 1), goal=(4, 5))))


def write_run(run: RunDir) -> None:
    run.recipe.write_text("name: pointmaze_beam_search\nseed: 0\nmodel: {kind: gpt, layers: 4}\n", encoding="utf-8")
    spread = {"mean": 0.97, "std": 0.17, "min": 0.0, "max": 1.0}
    length = {"mean": 118.2, "std": 61.4, "min": 9, "max": 300}
    details = {"environment": "PointMaze_Medium-v3", "minari": "0.5.4", "action_noise": 0.3, "maze": [8, 8]}
    data: dict[str, Any] = {"id": "ttf/pointmaze-medium-waypoints-v0", "sha256": "9f2c" * 16, "details": details}
    data |= {"episodes": 1692, "steps": 200_013, "return": spread, "length": length}
    document: dict[str, Any] = {"recipe": "pointmaze_beam_search", "seed": 0, "device": "cpu", "data": data}
    document |= {"created": "2026-11-22T11:40:03+00:00", "finished": "2026-11-22T11:48:51+00:00"}
    document |= {"command": "ttf run recipe.yaml", "git": {"commit": "f74d4ff", "dirty": True}}
    document |= {"versions": {"trajectory-transformer": "0.1.0", "torch": "2.13.0", "mujoco": "3.8.0"}}
    document |= {"machine": {"python": "3.11.9", "platform": "Linux", "processor": "x86_64", "threads": 2}}
    document |= {"layout": {"observation": 6, "action": 2, "names": list(Layout(6, 2).names)}}
    document |= {"model": {"parameters": 1_012_345, "kind": "gpt"}}
    document |= {"timings": {"data": 31.4, "training": 402.81, "evaluation": 77.02}}
    run.write("run", document)


@pytest.fixture
def run(tmp_path: Path) -> RunDir:
    """An empty run folder."""
    folder = tmp_path / "pointmaze_beam_search-0"
    folder.mkdir()
    return RunDir(folder)


@pytest.fixture(scope="session")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with everything, written once."""
    run = RunDir(tmp_path_factory.mktemp("written"))
    write_everything(run)
    return run.path


@pytest.fixture
def full_run(run: RunDir, written: Path) -> RunDir:
    """A run that has everything."""
    copytree(written, run.path, dirs_exist_ok=True)
    return run
