"""A recipe becomes a run folder whose files agree, the same every time, wherever it was interrupted."""

from __future__ import annotations

import json
import signal
import stat
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pytest
import torch
from safetensors.numpy import load_file
from tests.core.toys import (
    CorridorData,
    CorridorEnvironment,
    CorridorEnvironmentConfig,
    HomingConfig,
    Quiet,
    Ticks,
    tiny_recipe,
)

from ttf import checkpoint
from ttf.assemble import run_recipe
from ttf.component import ReporterConfig
from ttf.errors import DataError, Interrupted, RecipeError, ResourceError
from ttf.interfaces.data import EnvironmentSpec
from ttf.interfaces.reporter import Reporter
from ttf.manifest import read_manifest
from ttf.prepare import difference
from ttf.results import summarise
from ttf.run_dir import RunDir, read_lines
from ttf.runs import locked
from ttf.sections import EvaluationConfig
from ttf.seeds import stream
from ttf_plugins.beam_search import BeamSearchConfig
from ttf_plugins.jsonl import JsonLinesConfig

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from ttf.interfaces.progress import Task
    from ttf.recipe import Recipe

CLOCKS = ("tokens_per_second", "seconds")


def run(runs: Path, recipe: Recipe | None = None, *, resume: bool = False, progress: Quiet | None = None) -> RunDir:
    return run_recipe(recipe or tiny_recipe(), runs_dir=runs, resume=resume, progress=progress or Quiet())


def metrics(one: RunDir) -> list[dict[str, Any]]:
    return [{key: x for key, x in record.items() if key not in CLOCKS} for record in read_lines(one.metrics)]


def weights(one: RunDir) -> str:
    """Hash of the final weights."""
    files = read_manifest(max(one.checkpoints.glob("ckpt-*"))).files
    return str(files["model.safetensors"]["sha256"])


def only_run(runs: Path) -> RunDir:
    (path,) = (runs / "tiny").iterdir()
    return RunDir(path)


def outcome(one: RunDir) -> tuple[str, list[dict[str, Any]], str, Any]:
    """Everything a recipe and a seed determine."""
    return weights(one), metrics(one), one.episodes.read_text(), one.read("result")


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> RunDir:
    return run(tmp_path_factory.mktemp("runs"))


def test_a_run_leaves_these_files(whole: RunDir) -> None:
    assert sorted(path.name for path in whole.path.iterdir()) == [
        ".lock",
        "checkpoints",
        "discretizer.json",
        "episodes.jsonl",
        "floor_plan.json",
        "metrics.jsonl",
        "recipe.yaml",
        "result.json",
        "run.json",
        "tokens",
        "trajectories.safetensors",
    ]
    assert sorted(path.name for path in whole.checkpoints.iterdir()) == ["ckpt-000006", "ckpt-000012", "latest"]
    assert sorted(path.name for path in whole.tokens.iterdir()) == ["training.npy", "validation.npy"]


def test_the_result_is_that_of_the_episodes(whole: RunDir) -> None:
    episodes = list(read_lines(whole.episodes))
    assert whole.read("result") == summarise("tiny", episodes)
    assert [(line["policy"], line["episode"]) for line in episodes] == [
        (policy, number) for policy in ("beam_search", "homing") for number in range(5)
    ]
    seeds = [line["seed"] for line in episodes]
    assert seeds[:5] == seeds[5:]


def test_trajectories_are_those_of_the_first_episodes(whole: RunDir) -> None:
    arrays = load_file(whole.trajectories)
    lines = {(line["policy"], line["episode"]): line for line in read_lines(whole.episodes)}
    names = [name for name in arrays if name.endswith("observations")]
    assert sorted(names) == sorted(f"{policy}/{n}/observations" for policy in ("beam_search", "homing") for n in (0, 1))
    for name in names:
        policy, number, _ = name.split("/")
        assert arrays[name].shape == (lines[policy, int(number)]["steps"] + 1, 2)
    plans = [name for name in arrays if name.startswith("beam_search/0/plan/")]
    assert len(plans) == lines["beam_search", 0]["steps"]
    assert all(arrays[name].shape == (3, 2) for name in plans)
    assert not any(name.startswith("homing/0/plan") for name in arrays)
    columns = whole.read("discretizer")["columns"][:2]
    low, high = (np.array([column[end] for column in columns]) for end in ("low", "high"))
    for name in plans:  # a plan starts about where it was made, or in the outermost bin on that side
        made_at = arrays["beam_search/0/observations"][int(name.rsplit("/", 1)[1])].clip(low, high)
        assert abs(arrays[name][0] - made_at).max() < 1.0


def test_whoever_may_read_one_file_of_a_run_may_read_them_all(whole: RunDir) -> None:
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in whole.path.rglob("*") if path.is_file()}
    assert {"trajectories.safetensors", "model.safetensors", "result.json"} <= set(modes)
    assert set(modes.values()) == {modes["result.json"]}


def test_the_record_of_a_run_counts_what_there_was(whole: RunDir) -> None:
    record, recipe = whole.read("run"), tiny_recipe()
    source = recipe.data.build(seed=stream(0, "data"), progress=Quiet())
    lengths = [len(episode) for episode in source.episodes()]
    returns = [float(episode.rewards.sum()) for episode in source.episodes()]
    assert (record["data"]["id"], record["data"]["sha256"]) == ("corridor", "corridor")
    assert (record["data"]["episodes"], record["data"]["steps"]) == (30, sum(lengths))
    assert record["data"]["return"] == pytest.approx(
        {"mean": np.mean(returns), "std": np.std(returns), "min": min(returns), "max": max(returns)}
    )
    assert record["layout"] == {
        "observation": 2,
        "action": 1,
        "names": ["observation[0]", "observation[1]", "action[0]", "reward", "value"],
    }
    rows = [len(np.load(whole.tokens / f"{name}.npy")) for name in ("training", "validation")]
    assert sum(rows) == sum(lengths)
    assert all(rows)
    assert record["recipe"] == "tiny"
    assert record["finished"] >= record["created"]
    assert set(record["timings"]) == {"data", "training", "evaluation"}
    acting = whole.read("discretizer")["acting"]
    assert 0 <= acting["clipped"] < acting["encoded"]


def test_metrics_come_at_the_steps_the_recipe_says(whole: RunDir) -> None:
    steps = [(record["kind"], record["step"]) for record in metrics(whole)]
    assert steps == [("train", 5), ("validation", 6), ("train", 10), ("train", 12), ("validation", 12)]


def test_the_same_recipe_gives_the_same_run(whole: RunDir, tmp_path: Path) -> None:
    assert outcome(run(tmp_path)) == outcome(whole)


def test_another_seed_gives_another_run(whole: RunDir, tmp_path: Path) -> None:
    for one, other in zip(outcome(run(tmp_path, tiny_recipe(seed=1))), outcome(whole), strict=True):
        assert one != other


def test_another_decoder_does_not_change_the_model_nor_the_baselines(whole: RunDir, tmp_path: Path) -> None:
    decoder = BeamSearchConfig(horizon=2, beam_width=8, expand=1, context=2, top_p=0.5)
    other = run(tmp_path, tiny_recipe(decoder=decoder))
    assert weights(other) == weights(whole)
    assert metrics(other) == metrics(whole)
    lines = [[line for line in read_lines(one.episodes) if line["policy"] == "homing"] for one in (other, whole)]
    assert lines[0] == lines[1]
    assert other.episodes.read_text() != whole.episodes.read_text()


def test_what_evaluates_does_not_change_the_model(whole: RunDir, tmp_path: Path) -> None:
    changes: dict[str, Any] = {"environment": None, "evaluation": None, "baselines": [], "decoder": None}
    other = run(tmp_path, tiny_recipe(**changes))
    assert (weights(other), metrics(other)) == (weights(whole), metrics(whole))
    assert other.read("result") is None
    assert not other.episodes.exists()


def test_baselines_need_no_model(tmp_path: Path) -> None:
    changes: dict[str, Any] = dict.fromkeys(("discretizer", "model", "training", "decoder"))
    other = run(tmp_path, tiny_recipe(**changes))
    assert [row["policy"] for row in other.read("result")["policies"]] == ["homing"]
    assert not other.checkpoints.exists()


def test_two_baselines_of_a_kind_have_names_of_their_own(tmp_path: Path) -> None:
    changes: dict[str, Any] = dict.fromkeys(("discretizer", "model", "training", "decoder"))
    other = run(tmp_path, tiny_recipe(baselines=[HomingConfig(), HomingConfig()], **changes))
    assert [row["policy"] for row in other.read("result")["policies"]] == ["homing", "homing 2"]


def fails(runs: Path, error: type[Exception], **changes: Any) -> str:  # noqa: ANN401
    """The message of a run that must fail before anything is trained."""
    with pytest.raises(error) as raised:
        run(runs, tiny_recipe(**changes))
    assert not only_run(runs).checkpoints.exists()
    assert not only_run(runs).tokens.exists()
    return str(raised.value)


@pytest.mark.parametrize(("width", "limit"), [(2, 12), (3, 12), (2, None)])
def test_the_environment_is_closed_however_the_run_ends(
    width: int, limit: int | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    environment = CorridorEnvironment(limit, width)
    monkeypatch.setattr(CorridorEnvironmentConfig, "build", lambda *_: environment)
    changes: dict[str, Any] = dict.fromkeys(("discretizer", "model", "training", "decoder"))
    with nullcontext() if (width, limit) == (2, 12) else pytest.raises((DataError, RecipeError)):
        run(tmp_path, tiny_recipe(**changes))
    assert environment.closed == 1


def test_bad_data_is_reported_before_training(tmp_path: Path) -> None:
    message = fails(tmp_path, DataError, data=CorridorData(spoiled=True))
    assert message == "episode 3, step 1: rewards is nan (1 non-finite value in this episode)"


def test_an_environment_that_does_not_fit_is_reported_before_training(tmp_path: Path) -> None:
    message = fails(tmp_path, DataError, environment=CorridorEnvironmentConfig(width=3))
    assert message == "observations of environment 'Corridor-v0' have 3 dimensions, those of the data 2"


def test_episodes_without_end_are_reported_before_training(tmp_path: Path) -> None:
    message = fails(tmp_path, RecipeError, environment=CorridorEnvironmentConfig(limit=None))
    assert message == "environment 'Corridor-v0' has no step limit of its own; set evaluation.max_steps"
    run(
        tmp_path / "again",
        tiny_recipe(
            environment=CorridorEnvironmentConfig(limit=None),
            evaluation=EvaluationConfig(episodes=2, max_steps=4),
        ),
    )


def test_a_device_that_is_not_there_leaves_no_run_behind(tmp_path: Path) -> None:
    with pytest.raises(ResourceError, match=r"^device 'cuda:99' is not available"):
        run(tmp_path, tiny_recipe(device="cuda:99"))
    assert list(tmp_path.iterdir()) == []


class FailingReporter(Reporter):
    """Cannot write its report once."""

    failed = False

    def metrics(self, record: Mapping[str, Any]) -> None:
        pass

    def episode(self, record: Mapping[str, Any]) -> None:
        pass

    def finish(self) -> None:
        if not FailingReporter.failed:
            FailingReporter.failed = True
            message = "no room for the report"
            raise ResourceError(message)


class FailingConfig(ReporterConfig):
    kind: Literal["failing"] = "failing"

    def build(self, run: RunDir) -> Reporter:
        return FailingReporter()


def test_a_run_that_cannot_train_in_bfloat16_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cpu, "get_capabilities", dict)
    recipe, progress = tiny_recipe(), Quiet()
    assert recipe.training is not None
    half = recipe.training.model_copy(update={"precision": "bfloat16"})
    run(tmp_path, recipe.model_copy(update={"training": half}), progress=progress)
    assert progress.notes == ["cpu: bfloat16 would have to be emulated; training in float32"]


@pytest.mark.parametrize(
    ("identifier", "options", "said"),
    [
        ("Maze-v1", {"goal": [1, 1], "far": True}, None),
        ("Maze-v2", {"goal": [1, 1], "far": True}, "environment 'Maze-v2': the data was recorded in 'Maze-v1'"),
        (
            "Maze-v1",
            {"goal": [3, 3], "far": True},
            "environment 'Maze-v1': the data was recorded with goal [1, 1], not [3, 3]",
        ),
        ("Maze-v1", {"goal": [1, 1]}, "environment 'Maze-v1': the data was recorded with far True, not the default"),
    ],
)
def test_another_environment_than_that_of_the_data_is_said_to_be_one(
    identifier: str, options: dict[str, object], said: str | None
) -> None:
    environment = CorridorEnvironment()
    environment.id, environment.options = identifier, options
    assert difference(EnvironmentSpec("Maze-v1", {"goal": [1, 1], "far": True}), environment) == said
    assert difference(None, environment) is None


def test_a_run_whose_report_fails_is_not_finished_and_can_be_resumed(whole: RunDir, tmp_path: Path) -> None:
    recipe, progress = tiny_recipe(reporters=[JsonLinesConfig(), FailingConfig()]), Quiet()
    with pytest.raises(ResourceError, match=r"^no room for the report$"):
        run(tmp_path, recipe, progress=progress)
    cut = only_run(tmp_path)
    assert cut.read("run")["finished"] is None
    assert progress.notes == [f"{cut.path}: not reported yet; go on with --resume, or with: ttf report {cut.path}"]
    assert run(tmp_path, recipe, resume=True) == cut
    assert cut.read("run")["finished"]
    assert outcome(cut) == outcome(whole)


class SignallingReporter(Reporter):
    """Sends a signal to the run at a training record or an evaluation episode."""

    def __init__(self, at: tuple[str, int]) -> None:
        self.at = at

    def metrics(self, record: Mapping[str, Any]) -> None:
        self._maybe(str(record["kind"]), record["step"])

    def episode(self, record: Mapping[str, Any]) -> None:
        self._maybe(str(record["policy"]), record["episode"])

    def finish(self) -> None:
        self._maybe("finish", 0)

    def _maybe(self, *now: object) -> None:
        if now == self.at:
            signal.raise_signal(signal.SIGTERM)


class SignallingConfig(ReporterConfig):
    kind: Literal["signalling"] = "signalling"
    name: str = ""
    number: int = 0

    def build(self, run: RunDir) -> Reporter:
        assert run.path.is_dir()
        return SignallingReporter((self.name, self.number))


@dataclass
class TickingQuiet(Quiet):
    """Sends a signal at the ``at``-th step of a task."""

    name: str = ""
    at: int = 0

    @contextmanager
    def task(self, name: str, total: int, *, done: int = 0, unit: str = "") -> Iterator[Task]:
        with super().task(name, total, done=done, unit=unit):
            yield _Ticking(left=self.at - done if name == self.name else 0)


@dataclass
class _Ticking(Ticks):
    left: int = 0

    def advance(self, amount: int = 1, **figures: float) -> None:
        super().advance(amount, **figures)
        self.left -= amount
        if self.left == 0:
            signal.raise_signal(signal.SIGTERM)


def interrupted(runs: Path, *reporters: ReporterConfig, progress: Quiet | None = None) -> RunDir:
    with pytest.raises(Interrupted) as error:
        run(runs, tiny_recipe(reporters=[JsonLinesConfig(), *reporters]), progress=progress)
    assert error.value.exit_code == 143
    assert only_run(runs).read("run")["finished"] is None
    return only_run(runs)


@pytest.mark.parametrize("step", [1, 5, 6, 7, 11, 12])
def test_an_interrupted_training_goes_on_to_the_same_run(step: int, whole: RunDir, tmp_path: Path) -> None:
    cut = interrupted(tmp_path, progress=TickingQuiet(name="training", at=step))
    newest, _ = checkpoint.load_newest(cut.checkpoints)
    assert newest is not None
    assert newest.step == step
    assert run(tmp_path, resume=True) == cut
    assert outcome(cut) == outcome(whole)


@pytest.mark.parametrize("at", [("beam_search", 0), ("homing", 4)])
def test_an_interrupted_evaluation_starts_again_without_training(
    at: tuple[str, int], whole: RunDir, tmp_path: Path
) -> None:
    cut = interrupted(tmp_path, SignallingConfig(name=at[0], number=at[1]))
    assert not (cut.path / "result.json").exists()
    progress = Quiet()
    run(tmp_path, resume=True, progress=progress)
    assert progress.tasks["training"].figures == []
    assert outcome(cut) == outcome(whole)


def test_a_run_cut_off_before_its_first_checkpoint_starts_again(whole: RunDir, tmp_path: Path) -> None:
    cut = interrupted(tmp_path, progress=TickingQuiet(name="training", at=5))
    for path in cut.checkpoints.glob("ckpt-*"):
        path.rename(path.with_name(f".{path.name}.tmp-1"))
    progress = Quiet()
    run(tmp_path, resume=True, progress=progress)
    partial = cut.checkpoints / ".ckpt-000005.tmp-1"
    assert progress.notes == [f"{partial}: was never finished; going on from step 0"]
    assert outcome(cut) == outcome(whole)


def test_a_corrupt_checkpoint_is_passed_over_in_one_line(whole: RunDir, tmp_path: Path) -> None:
    cut = interrupted(tmp_path, progress=TickingQuiet(name="training", at=9))
    broken = cut.checkpoints / "ckpt-000009" / "model.safetensors"
    broken.write_bytes(broken.read_bytes()[:-1])
    progress = Quiet()
    run(tmp_path, resume=True, progress=progress)
    assert progress.notes == [f"{broken}: corrupt: its content does not match the manifest; going on from step 6"]
    assert outcome(cut) == outcome(whole)


def test_metrics_written_after_the_checkpoint_are_written_once(whole: RunDir, tmp_path: Path) -> None:
    cut = interrupted(tmp_path, progress=TickingQuiet(name="training", at=7))
    with cut.metrics.open("a") as file:
        file.write(json.dumps({"kind": "train", "step": 8, "loss": 1.0}) + '\n{"kind": "tra')
    run(tmp_path, resume=True)
    assert outcome(cut) == outcome(whole)


def test_changed_data_is_refused(tmp_path: Path) -> None:
    cut = interrupted(tmp_path, progress=TickingQuiet(name="training", at=7))
    record = cut.read("run")
    record["data"]["sha256"] = "before"
    cut.write("run", record)
    with pytest.raises(DataError) as error:
        run(tmp_path, resume=True)
    assert str(error.value) == f"data set 'corridor' has changed since {cut.path} began; it cannot be resumed"


def test_a_decoder_may_change_before_a_run_is_resumed(whole: RunDir, tmp_path: Path) -> None:
    cut = interrupted(tmp_path, progress=TickingQuiet(name="training", at=12))
    decoder = BeamSearchConfig(horizon=1, beam_width=2, expand=1, context=2)
    run(tmp_path, tiny_recipe(decoder=decoder), resume=True)
    assert weights(cut) == weights(whole)
    assert "horizon: 1" in cut.recipe.read_text()


def test_a_run_that_another_one_writes_to_is_refused(tmp_path: Path) -> None:
    cut = interrupted(tmp_path, progress=TickingQuiet(name="training", at=7))
    before = cut.metrics.read_text()
    with locked(cut), pytest.raises(ResourceError, match="is still writing to this run"):
        run(tmp_path, resume=True)
    assert cut.metrics.read_text() == before
