"""Runs that share a part train it once, and what is taken is what would have been trained."""

from __future__ import annotations

import importlib
import os
import shutil
import signal
import sys
import threading
import time
from types import ModuleType
from typing import TYPE_CHECKING, Any

import pytest
from tests.core.toys import CorridorData, Quiet, tiny_recipe

from ttf import stages
from ttf.assemble import run_recipe
from ttf.cli.edge import run_cli
from ttf.errors import Interrupted
from ttf.manifest import read_manifest
from ttf.run_dir import RunDir, read_lines
from ttf.sections import EvaluationConfig, TrainingConfig
from ttf.stages import Stage, Stages, differences, model_parts, nearest, wanted
from ttf.train import Trainer
from ttf_plugins.bc import BehaviourCloningConfig
from ttf_plugins.beam_search import BeamSearchConfig
from ttf_plugins.gpt import GPTConfig
from ttf_plugins.iql import IQLConfig
from ttf_plugins.uniform import UniformConfig
from ttf_plugins.value_guided import ValueGuidedConfig

if TYPE_CHECKING:
    from pathlib import Path

    from ttf.recipe import Recipe

CLOCKS = ("tokens_per_second", "seconds")
SMALL: dict[str, Any] = {"updates": 20, "batch_size": 8, "hidden": 8}
SWAPPED = tiny_recipe(decoder=BeamSearchConfig(horizon=2, beam_width=3, expand=1, context=3))
LEARNING = tiny_recipe(
    critic=IQLConfig(**SMALL),
    decoder=ValueGuidedConfig(horizon=2, beam_width=2, context=3),
    baselines=[BC := BehaviourCloningConfig(**SMALL)],
)


def run(runs: Path, recipe: Recipe, *, progress: Quiet | None = None, **options: Any) -> RunDir:  # noqa: ANN401
    return run_recipe(recipe, **{"runs_dir": runs, "resume": False, "progress": progress or Quiet(), **options})


def outcome(one: RunDir) -> tuple[Any, ...]:
    """What a recipe and a seed determine."""
    records = [{key: x for key, x in record.items() if key not in CLOCKS} for record in read_lines(one.metrics)]
    return weights(one), sorted(map(repr, records)), one.episodes.read_text(), one.read("result")


def weights(one: RunDir) -> list[str]:
    """Hashes of everything trained, in the order of their names."""
    found = sorted(one.path.rglob("ckpt-*/manifest.json"), key=lambda file: file.parent.parent.name)
    last = {file.parent.parent.name: read_manifest(file.parent).files for file in sorted(found)}
    hashes = [files.get("model.safetensors", files.get("learner.safetensors")) for files in last.values()]
    return [str(entry["sha256"]) for entry in hashes if entry]


def untrained(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let every update fail."""

    def fail(_: object) -> None:
        pytest.fail("something is trained")

    monkeypatch.setattr(Trainer, "update", fail)
    monkeypatch.setattr("ttf.learn.LearningLoop._update", fail)


def test_another_decoder_takes_the_model_and_plans_as_if_it_had_trained_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = outcome(run(tmp_path / "alone", SWAPPED))
    first = run(tmp_path / "runs", tiny_recipe())
    untrained(monkeypatch)
    progress = Quiet()
    second = run(tmp_path / "runs", SWAPPED, progress=progress)
    assert outcome(second) == expected
    assert progress.notes == [f"model: not trained again; {first.path} has trained the same"]
    said = [one.read("run")["stages"]["model"] for one in (first, second)]
    assert [entry["taken"] for entry in said] == [False, True]
    assert said[0]["stage"] == said[1]["stage"]
    assert said[1]["seconds"] == said[0]["seconds"] > 0


def test_critics_and_baselines_are_shared_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    expected = outcome(run(tmp_path / "alone", LEARNING))
    run(tmp_path / "runs", LEARNING)
    untrained(monkeypatch)
    second = run(tmp_path / "runs", LEARNING)
    assert outcome(second) == expected
    assert len(weights(second)) == 3
    assert {name: entry["taken"] for name, entry in second.read("run")["stages"].items()} == {
        "critic": True,
        "baseline bc": True,
        "model": True,
    }


def test_a_fresh_run_neither_takes_nor_leaves_anything(tmp_path: Path) -> None:
    first = run(tmp_path, tiny_recipe(), reuse=False)
    assert not (tmp_path / stages.FOLDER).exists()
    run(tmp_path, tiny_recipe())
    third = run(tmp_path, tiny_recipe(), reuse=False)
    assert third.read("run")["stages"] == {}
    assert outcome(third) == outcome(first)


@pytest.mark.parametrize(
    ("changes", "shared"),
    [
        ({"name": "other"}, True),
        ({"decoder": BeamSearchConfig(horizon=1)}, True),
        ({"evaluation": EvaluationConfig(episodes=1)}, True),
        ({"baselines": []}, True),
        ({"reporters": []}, True),
        ({"seed": 1}, False),
        ({"data": CorridorData(discount=0.5)}, False),
        ({"discretizer": UniformConfig(bins=12)}, False),
        ({"model": GPTConfig(layers=1, heads=1, width=8, context=2)}, False),
        ({"training": TrainingConfig(steps=13)}, False),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_a_model_is_the_same_if_what_shapes_it_is(changes: dict[str, Any], shared: bool) -> None:
    parts, others = (model_parts(recipe, "data", "cpu") for recipe in (tiny_recipe(), tiny_recipe(**changes)))
    assert (parts == others) is shared


def test_other_data_another_device_and_other_code_make_another_model(monkeypatch: pytest.MonkeyPatch) -> None:
    parts = model_parts(tiny_recipe(), "data", "cpu")
    assert model_parts(tiny_recipe(), "other", "cpu") != parts
    assert model_parts(tiny_recipe(), "data", "cuda") != parts
    assert set(parts["code"]) == {"ttf", "tests", "ttf_plugins.quantile", "ttf_plugins.gpt"}
    monkeypatch.setattr(stages, "_code", lambda package: f"other {package}")
    assert [at for at, *_ in differences(parts, model_parts(tiny_recipe(), "data", "cpu"))] == [
        f"code.{package}" for package in sorted(parts["code"])
    ]


def test_the_whole_package_of_a_component_counts_wherever_its_configuration_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = {"__init__.py": "from brk.card import Card\n", "card.py": "class Card: ...\n", "impl.py": "POWER = 2\n"}
    for name, text in files.items():
        (tmp_path / "brk").mkdir(exist_ok=True)
        (tmp_path / "brk" / name).write_text(text)
    monkeypatch.syspath_prepend(tmp_path)
    card = importlib.import_module("brk").Card
    assert stages.package_of(card.__module__) == "brk"
    before = stages._code.__wrapped__("brk")
    (tmp_path / "brk" / "impl.py").write_text("POWER = 1\n")
    assert stages._code.__wrapped__("brk") != before
    monkeypatch.delitem(sys.modules, "brk")
    monkeypatch.delitem(sys.modules, "brk.card")


def test_a_module_without_a_file_has_no_source(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "notebook", ModuleType("notebook"))
    assert len(stages._code.__wrapped__("notebook")) == 16


@pytest.mark.parametrize("content", ["{", '{"name": "model"}', "[]"])
def test_a_damaged_stage_is_trained_again_named_and_pruned(content: str, tmp_path: Path) -> None:
    run(tmp_path, SWAPPED)
    (damaged,) = tmp_path.glob(".stages/*/stage.json")
    damaged.write_text(content)
    kept = Stages(tmp_path)
    assert kept.finished() == []
    assert [stage.path for stage in kept.damaged()] == [damaged.parent]
    assert run_cli(["stages", "list", "--runs-dir", str(tmp_path)]) == 0
    again = run(tmp_path, SWAPPED)
    assert (again.read("run") or {})["stages"]["model"]["taken"] is False
    assert len(kept.finished()) == 1
    damaged.write_text(content)
    assert [stage.path for stage in kept.prune(30)] == [damaged.parent]
    assert not damaged.parent.exists()


def test_an_interrupted_training_leaves_no_stage_and_goes_on_as_its_own(tmp_path: Path) -> None:
    def stop(self: Trainer, update: Any = Trainer.update) -> None:  # noqa: ANN401
        update(self)
        if self.step == 5:
            os.kill(os.getpid(), signal.SIGTERM)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Trainer, "update", stop)
        with pytest.raises(Interrupted):
            run(tmp_path / "cut", tiny_recipe())
    assert Stages(tmp_path / "cut").finished() == []
    run(tmp_path / "other", tiny_recipe())
    shutil.copytree(tmp_path / "other" / stages.FOLDER, tmp_path / "cut" / stages.FOLDER, dirs_exist_ok=True)
    resumed = run(tmp_path / "cut", tiny_recipe(), resume=True)
    assert resumed.read("run")["stages"]["model"]["taken"] is False
    assert outcome(resumed) == outcome(run(tmp_path / "whole", tiny_recipe()))


def test_a_damaged_stage_is_trained_again(tmp_path: Path) -> None:
    first = run(tmp_path, tiny_recipe())
    expected = outcome(first)
    (stage,) = Stages(tmp_path).finished()
    (file,) = stage.path.glob("ckpt-*/model.safetensors")
    content = bytearray(file.read_bytes())
    content[-1] ^= 1
    file.unlink()  # the run has a link to it
    file.write_bytes(content)
    progress = Quiet()
    second = run(tmp_path, tiny_recipe(), progress=progress)
    assert outcome(second) == expected == outcome(first)
    assert "model.safetensors" in progress.notes[0]
    assert progress.notes[0].endswith("it is trained again")
    assert outcome(run(tmp_path, tiny_recipe())) == expected
    assert Stages(tmp_path).finished()[0].record()["run"] == str(second.path)


def test_a_second_run_waits_for_the_one_that_trains(tmp_path: Path) -> None:
    kept, order = Stages(tmp_path), list[str]()
    stage, progress = kept.of("model", {"a": 1}), Quiet()

    def later() -> None:
        with kept.claimed(stage, progress):
            order.append("second")

    with kept.claimed(stage, Quiet()):
        thread = threading.Thread(target=later)
        thread.start()
        while not progress.notes:
            time.sleep(0.01)
        order.append("first")
    thread.join()
    assert order == ["first", "second"]
    assert progress.notes == ["model: another run trains the same one; waiting for it"]


def test_what_is_pruned_stays_in_the_runs_that_took_it(tmp_path: Path) -> None:
    one = run(tmp_path, tiny_recipe())
    run(tmp_path, tiny_recipe(seed=1))
    kept = Stages(tmp_path)
    old = kept.of("model", model_parts(tiny_recipe(), "corridor", "cpu"))
    os.utime(old.path / "stage.json", (0, 0))
    expected = weights(one)
    assert [stage.path for stage in kept.prune(days=1)] == [old.path]
    assert not old.path.exists()
    assert len(kept.finished()) == 1
    assert weights(one) == expected != []


def test_the_nearest_stage_is_the_one_with_the_fewest_differences(tmp_path: Path) -> None:
    stages_ = [Stage(tmp_path, name, {"a": {"b": b, "c": c}}) for name, b, c in (("x", 1, 1), ("x", 1, 2), ("y", 2, 3))]
    assert nearest(stages_, Stage(tmp_path, "x", {"a": {"b": 2, "c": 2}})) is stages_[1]
    assert nearest(stages_, Stage(tmp_path, "z", {})) is None
    assert list(differences({"a": {"b": 1}, "c": [1]}, {"a": {"b": 2}, "d": 3})) == [
        ("a.b", 1, 2),
        ("c", [1], None),
        ("d", None, 3),
    ]


def test_all_that_a_recipe_trains_is_wanted() -> None:
    assert list(wanted(LEARNING, Quiet())) == ["model", "critic", "baseline bc"]
    assert wanted(LEARNING, Quiet())["model"] == model_parts(LEARNING, "corridor", "cpu")


def test_the_command_lists_and_prunes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    one = run(tmp_path, tiny_recipe())
    (stage,) = Stages(tmp_path).finished()
    assert run_cli(["stages", "list", "--runs-dir", str(tmp_path)]) == 0
    assert stage.path.name in (out := capsys.readouterr().out)
    assert str(one.path) in out.replace("\n", "")
    assert run_cli(["stages", "prune", "--days", "0", "--runs-dir", str(tmp_path)]) == 0
    assert capsys.readouterr().out == f"removed {stage.path.name}\n"
    assert Stages(tmp_path).finished() == []
