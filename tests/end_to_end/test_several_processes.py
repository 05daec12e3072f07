"""Two processes that torchrun starts train what one trains, and end together, whatever happens to one of them."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import h5py
import pytest
from safetensors.torch import load_file
from tests.end_to_end.test_whole_runs import workshop

from ttf import checkpoint
from ttf.cli.edge import run_cli
from ttf.run_dir import RunDir, read_lines
from ttf.train import Trainer

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from torch import Tensor

STEPS, CUT, WIDTH = 40, 20, 8
CLOCKS = ("tokens_per_second", "seconds")
RECIPE = """\
name: swings
device: cpu
data:
  kind: d4rl_hdf5
  path: {file}
  goal: {{achieved: [0], desired: [2], dropout: 0.3}}
discretizer: {{kind: uniform, bins: 10}}
model: {{kind: gpt, layers: 1, heads: 1, width: 8, context: 3, dropout: 0, attention_dropout: 0}}
training: {{steps: 40, batch_size: 9, learning_rate: 0.01, log_every: 10, validate_every: 20, checkpoint_every: 1000}}
reporters: [{{kind: jsonl}}, {{kind: alarm}}]
"""

#: A reporter, so in the first process only, that interrupts all processes, or lets the other one be killed.
ALARM = """\
import os
import signal
import threading
import time
from pathlib import Path
from typing import Literal

from ttf import hookimpl
from ttf.component import ReporterConfig
from ttf.interfaces.reporter import Reporter

ttf_api = "1"
PULLED = Path(__file__).with_name("pulled")


class Alarm(Reporter):
    def metrics(self, record):
        if record["step"] != 20 or record["kind"] != "train":
            return
        if os.environ.get("ALARM") == "interrupt":
            os.kill(os.getppid(), signal.SIGTERM)
            time.sleep(1)
        if os.environ.get("ALARM") == "kill":
            PULLED.touch()

    def episode(self, record): ...

    def finish(self): ...


class AlarmConfig(ReporterConfig):
    \"\"\"Sets off an alarm.\"\"\"

    kind: Literal["alarm"] = "alarm"
    \"\"\"An alarm.\"\"\"

    def build(self, run):
        return Alarm()


def await_the_end():
    while not PULLED.exists():
        time.sleep(0.01)
    os.kill(os.getpid(), signal.SIGKILL)


@hookimpl
def ttf_components():
    if os.environ.get("ALARM") == "kill" and os.environ["RANK"] == "1":
        threading.Thread(target=await_the_end, daemon=True).start()
    return [AlarmConfig]
"""


@dataclass(frozen=True)
class Place:
    """A folder with data, a recipe and a plugin."""

    path: Path

    def arguments(self, runs: str, *options: str) -> list[str]:
        return ["run", str(self.path / "swings.yaml"), "--runs-dir", str(self.path / runs), *options]

    def alone(self, runs: str, *options: str) -> int:
        """The exit code of a run by this very process."""
        return run_cli(self.arguments(runs, *options))

    def together(self, runs: str, *options: str, alarm: str = "") -> subprocess.CompletedProcess[str]:
        """A run by two processes."""
        launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", "-m", "ttf"]
        variables = {**os.environ, "ALARM": alarm, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(self.path)}
        command = [*launcher, *self.arguments(runs, *options)]
        return subprocess.run(command, capture_output=True, text=True, check=False, env=variables, timeout=300)

    def run(self, runs: str) -> RunDir:
        """The only run in a folder."""
        (found,) = (self.path / runs / "swings").iterdir()
        return RunDir(found)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    path = tmp_path_factory.mktemp("processes")
    workshop(path)
    with h5py.File(path / "swings.hdf5", "r+") as file:
        file["observations"][:, 2] = 0.5  # a goal stays
    (path / "swings.yaml").write_text(RECIPE.format(file=path / "swings.hdf5"))
    (path / "alarm.py").write_text(ALARM)
    (path / "alarm-1.dist-info").mkdir()
    (path / "alarm-1.dist-info" / "METADATA").write_text("Metadata-Version: 2.1\nName: alarm\nVersion: 1\n")
    (path / "alarm-1.dist-info" / "entry_points.txt").write_text("[ttf]\nalarm = alarm\n")
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(path)
        patch.setenv("ALARM", "")
        yield Place(path)


@pytest.fixture(scope="module")
def whole(place: Place) -> RunDir:
    """A run by one process that nothing disturbed."""
    assert place.alone("whole") == 0
    return place.run("whole")


def tensors(run: RunDir, group: str) -> dict[str, Tensor]:
    """Those of the last checkpoint, without the biases of attention's keys.

    No prediction depends on them: their gradients are rounding errors, which AdamW makes steps of any size from.
    """
    found = load_file(checkpoint.newest(run.checkpoints) / f"{group}.safetensors")
    if group == "model":
        found["blocks.0.attn.qkv.bias"][WIDTH : 2 * WIDTH] = 0
    return found


def figures(run: RunDir) -> list[Any]:
    """Everything a training reports but its clocks."""
    records = [{name: x for name, x in record.items() if name not in CLOCKS} for record in read_lines(run.metrics)]
    return [value for record in records for value in record.values()]


def assert_same(run: RunDir, other: RunDir) -> None:
    """Weights, optimizer and records are those of another run, to 1e-5."""
    for group in ("model", "optimizer"):
        found, expected = tensors(run, group), tensors(other, group)
        assert found.keys() == expected.keys()
        assert max(float((found[name] - expected[name]).abs().max()) for name in found) < 1e-5
    assert figures(run) == [x if isinstance(x, str) else pytest.approx(x, abs=1e-4) for x in figures(other)]


def said(done: subprocess.CompletedProcess[str]) -> list[str]:
    """What ttf printed on standard error; the launcher has much to say of its own."""
    lines = done.stderr.partition("Traceback (most recent call last)")[0].splitlines()
    return [line for line in lines if "torch/distributed/" not in line]


def test_two_processes_interrupted_stop_at_one_step_and_one_goes_on_to_the_same_weights(
    place: Place, whole: RunDir
) -> None:
    done = place.together("cut", alarm="interrupt")
    assert done.returncode == 1  # the launcher's
    assert [line.partition(":")[0] for line in said(done)] == ["training", "interrupted; continue with --resume"]
    cut = place.run("cut")
    assert checkpoint.newest(cut.checkpoints).name == f"ckpt-{CUT:06d}"
    assert cut.read("run")["processes"] == 2
    assert place.alone("cut", "--resume") == 0
    assert_same(place.run("cut"), whole)


def test_two_processes_go_on_where_one_stopped_and_leave_what_one_can_take(
    place: Place, whole: RunDir, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def stop(self: Trainer, update: Any = Trainer.update) -> None:  # noqa: ANN401
        update(self)
        if self.step == CUT:
            os.kill(os.getpid(), signal.SIGTERM)

    with monkeypatch.context() as patch:
        patch.setattr(Trainer, "update", stop)
        assert place.alone("pieces") == 143
    done = place.together("pieces", "--resume")
    run = place.run("pieces")
    assert (done.returncode, done.stdout) == (0, f"run: {run.path}\n")
    assert [line.partition(":")[0] for line in said(done)] == ["training"]
    assert_same(run, whole)
    capsys.readouterr()
    assert place.alone("pieces") == 0
    assert f"model: not trained again; {run.path} has trained the same\n" in capsys.readouterr().err


def test_an_error_of_the_first_process_is_one_line_and_ends_all(place: Place) -> None:
    done = place.together("bad", "--set", "data.path=nowhere.hdf5")
    assert done.returncode == 1
    assert [line for line in said(done) if "nowhere.hdf5" in line] == said(done)
    assert len(said(done)) == 1
    assert "exitcode  : 3" in done.stderr


def test_a_process_that_is_killed_ends_the_others_with_one_line(place: Place) -> None:
    done = place.together("killed", "--set", "training.steps=1000000", alarm="kill")
    assert done.returncode == 1
    assert said(done)[-1] == "Error: another process of this training has ended; continue with --resume"
    assert len(said(done)) == 2
    assert "exitcode  : 6" in done.stderr
