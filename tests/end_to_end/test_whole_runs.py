"""Recipes of real parts, run as a user runs them."""

from __future__ import annotations

import contextlib
import io
import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import h5py
import numpy as np
import pytest
import torch
from tests.core.toys import Quiet

from ttf.assemble import run_recipe
from ttf.cli.edge import run_cli
from ttf.manifest import read_manifest
from ttf.recipe import load
from ttf.results import summarise
from ttf.run_dir import RunDir, read_lines

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from ttf.registry import Registry

STEPS = 60
RECIPE = """\
name: pendulum
device: cpu
data: {{kind: d4rl_hdf5, path: {file}, environment: Pendulum-v1}}
discretizer: {{kind: uniform, bins: 10}}
model: {{kind: gpt, layers: 1, heads: 1, width: 8, context: 3}}
training: {{steps: 60, batch_size: 8, log_every: 5, checkpoint_every: 1000, validate_every: 20}}
decoder: {{kind: beam_search, horizon: 2, beam_width: 2, context: 2}}
environment: {{kind: gymnasium}}
baselines: [{{kind: random}}]
evaluation: {{episodes: 3, max_steps: 4, trajectories: 1}}
reporters: [{{kind: jsonl}}, {{kind: html}}]
"""


@dataclass(frozen=True)
class Workshop:
    """A folder with data, a recipe and runs."""

    path: Path

    @property
    def recipe(self) -> Path:
        return self.path / "pendulum.yaml"

    @property
    def run(self) -> RunDir:
        """The only run."""
        (found,) = (self.path / "runs" / "pendulum").iterdir()
        return RunDir(found)

    def arguments(self, *options: str) -> list[str]:
        return ["run", str(self.recipe), "--runs-dir", str(self.path / "runs"), *options]

    def start(self, *options: str, **environment: str) -> subprocess.Popen[str]:
        """A process that runs the recipe."""
        command = [sys.executable, "-c", "from ttf.cli import main; main()", *self.arguments(*options)]
        variables = {**os.environ, "OMP_NUM_THREADS": "1", **environment}
        return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=variables)


@pytest.fixture(scope="module", autouse=True)
def _one_thread() -> Iterator[None]:
    """Compute here as the processes do."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def workshop(path: Path, *, spoiled: bool = False) -> Workshop:
    """A workshop with a file of 12 recorded swings of a pendulum."""
    random, count = np.random.default_rng(0), 12 * 20
    angles, actions = random.uniform(-3, 3, count).cumsum() / 5, random.uniform(-2, 2, (count, 1))
    with h5py.File(path / "swings.hdf5", "w") as file:
        file["observations"] = np.stack([np.cos(angles), np.sin(angles), np.gradient(angles)], 1).astype(np.float32)
        file["actions"] = actions.astype(np.float32)
        file["rewards"] = np.where(np.arange(count) == 50, np.nan if spoiled else 0, -np.abs(angles)).astype(np.float32)
        file["terminals"] = np.zeros(count, bool)
        file["timeouts"] = np.arange(count) % 20 == 19
    made = Workshop(path)
    made.recipe.write_text(RECIPE.format(file=path / "swings.hdf5"))
    return made


def trained(run: RunDir) -> tuple[str, list[dict[str, Any]]]:
    """The hash of the final weights, and the metrics but for their clocks."""
    files = read_manifest(run.checkpoints / f"ckpt-{STEPS:06d}").files
    clocks = ("tokens_per_second", "seconds")
    records = [{key: x for key, x in record.items() if key not in clocks} for record in read_lines(run.metrics)]
    return str(files["model.safetensors"]["sha256"]), records


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Workshop:
    """A run from the command line that nothing disturbed."""
    made, out = workshop(tmp_path_factory.mktemp("whole")), io.StringIO()
    with contextlib.redirect_stdout(out):
        assert run_cli(made.arguments()) == 0
    assert out.getvalue().splitlines()[-1] == f"report: {made.run.report}"
    return made


def test_the_command_line_leaves_a_whole_run_and_prints_its_table(whole: Workshop) -> None:
    run = whole.run
    episodes = list(read_lines(run.episodes))
    assert [(line["policy"], line["episode"], line["steps"]) for line in episodes] == [
        (policy, number, 4) for policy in ("beam_search", "random") for number in range(3)
    ]
    assert run.read("result") == summarise("pendulum", episodes)
    assert [record["step"] for record in read_lines(run.metrics) if record["kind"] == "train"] == list(range(5, 61, 5))
    assert [record["step"] for record in read_lines(run.metrics) if record["kind"] == "validation"] == [20, 40, 60]
    page = run.report.read_text()
    for row in run.read("result")["policies"]:
        for number in row["return"].values():
            assert f'<data value="{number}">' in page
    assert run.read("run")["finished"]


def test_the_recipe_in_a_run_folder_runs_to_the_same_end(
    whole: Workshop, tmp_path: Path, builtin_registry: Registry
) -> None:
    recipe = load(whole.run.recipe, builtin_registry)
    again = run_recipe(recipe, runs_dir=tmp_path, resume=False, progress=Quiet())
    assert trained(again) == trained(whole.run)
    assert again.episodes.read_text() == whole.run.episodes.read_text()
    assert again.read("result") == whole.run.read("result")
    assert again.recipe.read_text() == whole.run.recipe.read_text()


def wait(condition: Callable[[], object]) -> None:
    for _ in range(1200):
        if condition():
            return
        time.sleep(0.05)
    pytest.fail("waited a minute")


def test_a_terminated_training_saves_and_resumes_to_the_same_weights_and_metrics(
    whole: Workshop, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    cut = workshop(tmp_path)
    with cut.start() as process:
        wait(lambda: any((tmp_path / "runs").glob("pendulum/*/metrics.jsonl")))
        process.send_signal(signal.SIGTERM)
        _, errors = process.communicate(timeout=60)
    assert (process.returncode, errors.splitlines()[-1]) == (143, "interrupted; continue with --resume")
    (saved,) = cut.run.checkpoints.glob("ckpt-*")
    assert 5 <= int(saved.name[5:]) < STEPS
    assert run_cli(cut.arguments("--resume")) == 0
    assert trained(cut.run) == trained(whole.run)
    assert cut.run.episodes.read_text() == whole.run.episodes.read_text()
    capfd.readouterr()
    assert run_cli(cut.arguments("--resume")) == 2
    assert capfd.readouterr().err == (
        f"Error: nothing to resume: the newest run, {cut.run.path}, has finished; leave out --resume to start another\n"
    )


def test_an_interrupted_evaluation_leaves_at_once_with_the_model_saved(whole: Workshop, tmp_path: Path) -> None:
    cut = workshop(tmp_path)
    with cut.start("--set", "evaluation={episodes: 5000, max_steps: 200}") as process:
        wait(lambda: any((tmp_path / "runs").glob("pendulum/*/episodes.jsonl")))
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=20)
    assert process.returncode == 130
    assert cut.run.read("result") is None
    assert trained(cut.run) == trained(whole.run)


MOLASSES = '''
import time
from typing import Literal
from ttf import hookimpl
from ttf.component import ModelConfig

ttf_api = "1"

class Molasses(ModelConfig):
    """Takes forever."""
    kind: Literal["molasses"] = "molasses"

    def build(self, layout, bins):
        from ttf_plugins.gpt import GPTConfig
        model = GPTConfig(layers=1, heads=1, width=8, context=self.context).build(layout, bins)
        def forever(*_):
            print("stuck", flush=True)
            time.sleep(300)
        model.register_forward_pre_hook(forever)
        return model

@hookimpl
def ttf_components():
    return [Molasses]
'''


def test_the_second_signal_leaves_in_the_middle_of_an_update(tmp_path: Path) -> None:
    (tmp_path / "molasses.py").write_text(MOLASSES)
    info = tmp_path / "molasses-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: molasses\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[ttf]\nmolasses = molasses\n")
    cut = workshop(tmp_path)
    with cut.start("--set", "model={kind: molasses}", PYTHONPATH=str(tmp_path)) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "stuck\n"
        process.send_signal(signal.SIGTERM)
        time.sleep(0.5)
        assert process.poll() is None
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=20)
    assert process.returncode == 130
    assert not cut.run.checkpoints.exists()


def test_a_signal_while_data_are_collected_leaves_at_once_and_no_data_set(tmp_path: Path) -> None:
    store, cut = tmp_path / "store", workshop(tmp_path)
    store.mkdir()
    options = ["--set", "data={kind: pointmaze_waypoints, maze: open, steps: 100000000}"]
    with cut.start(*options, MINARI_DATASETS_PATH=str(store)) as process:
        wait(lambda: (store / ".ttf").exists() or process.poll() is not None)
        time.sleep(1)
        process.send_signal(signal.SIGTERM)
        _, errors = process.communicate(timeout=20)
    assert process.returncode == 143, errors
    assert [path for path in store.rglob("*.hdf5") if ".ttf" not in path.parts] == []


def test_bad_data_end_the_command_before_anything_is_trained(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    made = workshop(tmp_path, spoiled=True)
    assert run_cli(["run", str(made.recipe), "--runs-dir", str(tmp_path / "runs")]) == 3
    assert capfd.readouterr().err.splitlines()[-1] == (
        "Error: episode 2, step 10: rewards is nan (1 non-finite value in this episode)"
    )
    assert not made.run.checkpoints.exists()


@pytest.mark.parametrize("kind", ["lstm", "markov"])
def test_another_sequence_model_takes_the_place_of_the_recipes_own(
    kind: str, tmp_path: Path, builtin_registry: Registry, capsys: pytest.CaptureFixture[str]
) -> None:
    made = workshop(tmp_path)
    assert run_cli(made.arguments("--set", f"model.kind={kind}", "--set", "training.steps=10")) == 0
    note = f"--set model.kind={kind}: dropped heads; '{kind}' has no such fields"
    assert capsys.readouterr().err.splitlines().count(note) == 1
    model = load(made.run.recipe, builtin_registry).model
    assert model == builtin_registry.components("model")[kind].model_validate({"layers": 1, "width": 8, "context": 3})
    assert [line["policy"] for line in read_lines(made.run.episodes)] == ["beam_search"] * 3 + ["random"] * 3


def test_pointmaze_from_collection_to_report(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, builtin_registry: Registry
) -> None:
    (tmp_path / "store").mkdir()
    monkeypatch.setenv("MINARI_DATASETS_PATH", str(tmp_path / "store"))
    made = workshop(tmp_path)
    overrides = [
        "data={kind: pointmaze_waypoints, maze: open, steps: 300}",
        "discretizer={kind: quantile, bins: 20}",
        "baselines=[{kind: behaviour}]",
        "training.steps=10",
    ]
    outcomes = []
    for name in ("a", "b"):  # the second time from the store
        recipe = load(made.recipe, builtin_registry, overrides)
        run = run_recipe(recipe, runs_dir=tmp_path / name, resume=False, progress=Quiet())
        outcomes.append((run.metrics.read_text().count("\n"), run.episodes.read_text(), run.read("result")))
    assert outcomes[0] == outcomes[1]
    assert [row["policy"] for row in outcomes[0][2]["policies"]] == ["beam_search", "behaviour"]
    assert run.report.read_text().count("data:image/svg+xml") > 3
    assert json.loads((run.path / "floor_plan.json").read_text())["walls"]
