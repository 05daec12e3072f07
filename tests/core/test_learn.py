"""What learns from transitions does so as a function of recipe and seed, wherever it is interrupted."""

from __future__ import annotations

import random
import signal
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch
from tests.core.toys import CorridorData, Quiet, Ticks, episode, tiny_recipe

from ttf import checkpoint
from ttf.assemble import run_recipe
from ttf.errors import CheckpointError, DivergedError, Interrupted
from ttf.interrupts import Interrupts
from ttf.layout import Layout
from ttf.learn import LearningLoop
from ttf.manifest import read_manifest
from ttf.prepare import load_data
from ttf.run_dir import read_lines
from ttf.transitions import make_transitions
from ttf_plugins.bc import BehaviourCloningConfig
from ttf_plugins.bc.bc import Cloning
from ttf_plugins.iql import IQLConfig
from ttf_plugins.iql.iql import IQL

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from ttf.component import LearningFields
    from ttf.interfaces.learner import Learner, Transitions
    from ttf.interfaces.progress import Task
    from ttf.recipe import Recipe
    from ttf.run_dir import RunDir

LAYOUT, UPDATES = Layout(2, 1), 40
TRANSITIONS = make_transitions([episode(seed) for seed in range(12)], CorridorData())
BATCH = 8
EPOCH = len(TRANSITIONS.rewards) // BATCH
IQL_CONFIG = IQLConfig(updates=UPDATES, batch_size=BATCH, learning_rate=0.01, hidden=8, policy=True)
BC_CONFIG = BehaviourCloningConfig(updates=UPDATES, batch_size=BATCH, learning_rate=0.01, hidden=8)
KINDS = ["iql", "bc"]


@pytest.fixture(autouse=True)
def _often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ttf.learn.RECORD_EVERY", 6)
    monkeypatch.setattr("ttf.learn.SAVE_EVERY", 15)


def made(kind: str, seed: int) -> tuple[Learner, LearningFields]:
    torch.manual_seed(seed)
    return (IQL(IQL_CONFIG, LAYOUT), IQL_CONFIG) if kind == "iql" else (Cloning(BC_CONFIG, LAYOUT), BC_CONFIG)


def loop(
    folder: Path,
    records: list[Mapping[str, Any]],
    kind: str = "iql",
    seed: int = 0,
    transitions: Transitions = TRANSITIONS,
) -> LearningLoop:
    learner, config = made(kind, seed)
    return LearningLoop(
        learner, transitions, config, name=kind, seed=3, folder=folder, recipe_hash="abc", report=records.append
    )


def digests(folder: Path, step: int) -> dict[str, str]:
    """The hashes of a checkpoint's files: weights, optimizers, random states, where the sampler stands."""
    files = read_manifest(folder / f"ckpt-{step:06d}").files
    return {name: str(entry["sha256"]) for name, entry in files.items()}


def steps(folder: Path) -> list[int]:
    return sorted(int(path.name.removeprefix("ckpt-")) for path in folder.glob("ckpt-*"))


@dataclass
class Signals(Ticks):
    """Sends a signal during the update after which ``left`` are done."""

    interrupts: Interrupts | None = None
    left: int = 0

    def advance(self, amount: int = 1, **figures: float) -> None:
        super().advance(amount, **figures)
        self.left -= amount
        if self.interrupts is not None and self.left == 0:
            self.interrupts.handle(signal.SIGTERM, None)


@dataclass
class Signalling(Quiet):
    interrupts: Interrupts | None = None
    at: int = 0

    @contextmanager
    def task(self, name: str, total: int, *, done: int = 0, unit: str = "") -> Iterator[Task]:
        assert (name, total, unit) == ("training iql", UPDATES, "updates") or name == "training bc"
        yield Signals(interrupts=self.interrupts, left=self.at - done)


def learn_until(step: int, one: LearningLoop) -> None:
    interrupts = Interrupts()
    with pytest.raises(Interrupted) as error:
        one.run(Signalling(interrupts=interrupts, at=step), interrupts)
    assert error.value.exit_code == 143
    assert one.step == step


def whole(folder: Path, kind: str) -> tuple[list[Mapping[str, Any]], dict[str, str]]:
    """Records and hashes of a training without interruption."""
    records: list[Mapping[str, Any]] = []
    loop(folder, records, kind).run(Quiet(), Interrupts())
    return records, digests(folder, UPDATES)


def test_the_splits_below_are_within_and_across_epochs_records_and_checkpoints() -> None:
    assert 6 < EPOCH < 20
    assert len(TRANSITIONS.rewards) % BATCH


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("split", [1, 6, 7, EPOCH, EPOCH + 1, 15, 16, UPDATES - 1, UPDATES])
def test_stopping_and_going_on_equals_going_on(split: int, kind: str, tmp_path: Path) -> None:
    folder, records = tmp_path / "cut", list[Any]()
    learn_until(split, loop(folder, records, kind))
    assert steps(folder)[-1] == split
    torch.manual_seed(99)
    np.random.seed(99)
    random.seed(99)
    loop(folder, records, kind, seed=1).run(Quiet(), Interrupts())
    assert (records, digests(folder, UPDATES)) == whole(tmp_path / "whole", kind)


@pytest.mark.parametrize("kind", KINDS)
def test_a_learner_that_has_finished_is_only_loaded(kind: str, tmp_path: Path) -> None:
    first = loop(tmp_path, [], kind)
    first.run(Quiet(), Interrupts())
    records: list[Mapping[str, Any]] = []
    again, progress = loop(tmp_path, records, kind, seed=1), Quiet()
    again.run(progress, Interrupts())
    assert records == []
    assert progress.tasks[f"training {kind}"].figures == []
    for name, tensor in first.learner.state_dict().items():
        assert torch.equal(tensor, again.learner.state_dict()[name]), name
    assert not any(parameter.requires_grad for parameter in again.learner.parameters())
    assert not again.learner.training


def test_records_are_means_since_the_one_before_at_steady_steps_and_at_the_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    records, _ = whole(tmp_path / "whole", "iql")
    assert [record["step"] for record in records] == [6, 12, 18, 24, 30, 36, 40]
    monkeypatch.setattr("ttf.learn.RECORD_EVERY", 1)
    each, _ = whole(tmp_path / "each", "iql")
    for record in records:
        count = 6 if record["step"] % 6 == 0 else 4
        pieces = each[record["step"] - count : record["step"]]
        for name in ("value_loss", "q_loss", "policy_loss"):
            assert record[name] == pytest.approx(np.mean([piece[name] for piece in pieces]), rel=1e-5)


def test_a_loss_that_is_not_finite_ends_the_training_with_the_last_checkpoint_unharmed(tmp_path: Path) -> None:
    rewards = TRANSITIONS.rewards.clone()
    first, second = (list(np.random.default_rng([3, epoch]).permutation(len(rewards))) for epoch in (0, 1))
    left_out = first[EPOCH * BATCH :]  # of the first epoch
    last = max((row for row in left_out if row in second[: EPOCH * BATCH]), key=second.index)
    assert 15 < EPOCH + second.index(last) // BATCH + 1 <= 18
    rewards[last] = 1e38  # whose square is not finite
    records: list[Mapping[str, Any]] = []
    with pytest.raises(DivergedError) as error:
        loop(tmp_path, records, transitions=TRANSITIONS._replace(rewards=rewards)).run(Quiet(), Interrupts())
    assert str(error.value) == "training of the iql diverged: its q_loss is inf before update 18"
    assert [record["step"] for record in records] == [6, 12]
    assert steps(tmp_path) == [15]


def test_a_checkpoint_of_other_sizes_is_one_clear_line(tmp_path: Path) -> None:
    loop(tmp_path, []).run(Quiet(), Interrupts())
    other = LearningLoop(
        IQL(IQLConfig(hidden=9), LAYOUT),
        TRANSITIONS,
        IQL_CONFIG,
        name="critic",
        seed=3,
        folder=tmp_path,
        recipe_hash="abc",
        report=print,
    )
    with pytest.raises(CheckpointError, match=r"^the checkpoint of update 40 does not fit the critic: "):
        other.run(Quiet(), Interrupts())


def recipe(**critic: Any) -> Recipe:  # noqa: ANN401
    fields = {"updates": 20, "batch_size": 8, "hidden": 8, "policy": True} | critic
    return tiny_recipe(critic=IQLConfig(**fields), baselines=[BC_CONFIG])


@dataclass
class Cutting(Quiet):
    """Sends a signal to the process at the ``at``-th step of a task."""

    name: str = ""
    at: int = 0

    @contextmanager
    def task(self, name: str, total: int, *, done: int = 0, unit: str = "") -> Iterator[Task]:
        with super().task(name, total, done=done, unit=unit) as task:
            yield _Cut(left=self.at - done) if name == self.name else task


@dataclass
class _Cut(Ticks):
    left: int = 0

    def advance(self, amount: int = 1, **figures: float) -> None:
        self.left -= amount
        if self.left == 0:
            signal.raise_signal(signal.SIGTERM)


def cut(runs: Path, name: str, at: int) -> None:
    with pytest.raises(Interrupted):
        run_recipe(recipe(), runs_dir=runs, resume=False, progress=Cutting(name=name, at=at))


def resumed(runs: Path, one: Recipe | None = None) -> tuple[RunDir, Quiet]:
    progress = Quiet()
    return run_recipe(one or recipe(), runs_dir=runs, resume=True, progress=progress), progress


def learning(run: RunDir) -> list[dict[str, Any]]:
    return [record for record in read_lines(run.metrics) if record["kind"] == "learner"]


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> RunDir:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("ttf.learn.RECORD_EVERY", 6)
        return run_recipe(recipe(), runs_dir=tmp_path_factory.mktemp("runs"), resume=False, progress=Quiet())


@pytest.mark.parametrize(("name", "at"), [("training critic", 7), ("training baseline bc", 13), ("training", 5)])
def test_a_run_cut_off_anywhere_goes_on_to_the_same_run(name: str, at: int, finished: RunDir, tmp_path: Path) -> None:
    cut(tmp_path, name, at)
    again, _ = resumed(tmp_path)
    assert learning(again) == learning(finished)
    assert [record["learner"] for record in learning(again)] == ["critic"] * 4 + ["baseline bc"] * 7
    assert again.read("result") == finished.read("result")


def test_records_beyond_the_learners_checkpoint_are_written_once(finished: RunDir, tmp_path: Path) -> None:
    cut(tmp_path, "training critic", 17)
    (folder,) = (tmp_path / "tiny").glob("*/learned/critic-*")
    assert steps(folder) == [15, 17]
    for path in sorted((folder / "ckpt-000017").iterdir()):
        path.unlink()
    (folder / "ckpt-000017").rmdir()
    run, _ = resumed(tmp_path)
    records = [record["step"] for record in learning(run) if record["learner"] == "critic"]
    assert records == [6, 12, 18, 20]
    assert run.read("result") == finished.read("result")


def test_a_changed_critic_is_trained_anew_and_the_rest_is_not(tmp_path: Path) -> None:
    cut(tmp_path, "training", 12)
    run, progress = resumed(tmp_path, recipe(expectile=0.9))
    assert len(progress.tasks["training critic"].figures) == 20
    assert progress.tasks["training baseline bc"].figures == []
    assert progress.tasks["training"].figures == []
    assert len(list((run.path / "learned").glob("critic-*"))) == 2
    assert [(record["learner"], record["step"]) for record in learning(run)] == [
        *(("baseline bc", step) for step in (6, 12, 18, 24, 30, 36, 40)),
        *(("critic", step) for step in (6, 12, 18, 20)),
    ]


def test_an_unchanged_critic_is_not_trained_again_when_the_decoder_changes(tmp_path: Path) -> None:
    cut(tmp_path, "training", 12)
    decoder = recipe().decoder
    assert decoder is not None
    changed = recipe().model_copy(update={"decoder": decoder.model_copy(update={"horizon": 1})})
    _, progress = resumed(tmp_path, changed)
    assert progress.tasks["training critic"].figures == []


def test_the_held_out_episodes_teach_nobody(tmp_path: Path) -> None:
    one = recipe(updates=1)
    run = run_recipe(one, runs_dir=tmp_path, resume=False, progress=Quiet())
    (folder,) = (run.path / "learned").glob("critic-*")
    saved = checkpoint.load_newest(folder)[0]
    data = load_data(one, Quiet())
    assert saved is not None
    assert len(data.episodes) < len(data.source.episodes())
    means = [make_transitions(each, one.data).observations.mean(0) for each in (data.episodes, data.source.episodes())]
    torch.testing.assert_close(saved.tensors["learner"]["scaling.mean"], means[0])
    assert not torch.allclose(means[0], means[1])
