"""Analyses are asked once of a trained model, with its recipe or later, and answer the same."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np
import pytest
from tests.core.test_assemble import SignallingConfig, only_run, run, weights
from tests.core.toys import CorridorData, Quiet, corridor_rows, tiny_recipe

from ttf.analyse import analyse
from ttf.component import AnalysisConfig
from ttf.errors import CheckpointError, DataError, Interrupted, RecipeError, ResourceError
from ttf.findings import Findings
from ttf.interfaces.analysis import Analysis
from ttf.recipe import named
from ttf.runs import locked
from ttf.seeds import stream
from ttf_plugins.iql import IQLConfig

if TYPE_CHECKING:
    from pathlib import Path

    from ttf.interfaces.analysis import Subject
    from ttf.interfaces.progress import Progress
    from ttf.recipe import Recipe
    from ttf.run_dir import RunDir


class Weighing(Analysis):
    """Says what it was given."""

    asked: ClassVar[list[int]] = []

    def __init__(self, number: int) -> None:
        self.number = number

    def run(self, subject: Subject, *, seed: int, progress: Progress) -> Findings:
        self.asked.append(self.number)
        model, discretizer = subject.model, subject.discretizer
        assert discretizer is not None
        weight = None
        if model is not None:
            assert not model.training
            weight = float(sum(parameter.abs().sum() for parameter in model.parameters()))
        rows = [len(subject.training.values), len(subject.held_out.values)]
        said = [seed, weight, float(discretizer.live.sum()), *rows, subject.data.discount]
        return Findings(f"number {self.number}", json.dumps(said))


class WeighingConfig(AnalysisConfig):
    requires: ClassVar[tuple[str, ...]] = ("discretizer",)
    kind: Literal["weighing"] = "weighing"
    number: int = 0

    def build(self) -> Analysis:
        return Weighing(self.number)


class ModelWeighingConfig(WeighingConfig):
    requires: ClassVar[tuple[str, ...]] = ("model",)
    kind: Literal["model_weighing"] = "model_weighing"  # type: ignore[assignment]  # another component


class Choosy(Weighing):
    """Is asked only if it wants to be."""

    def __init__(self, refusal: str | None, missing: str | None) -> None:
        super().__init__(0)
        self.refusal, self.missing = refusal, missing

    def check(self, subject: Subject) -> str | None:
        assert subject.model is not None
        assert not subject.model.training
        if self.missing is not None:
            raise DataError(self.missing)
        return self.refusal


class ChoosyConfig(AnalysisConfig):
    requires: ClassVar[tuple[str, ...]] = ("model",)
    kind: Literal["choosy"] = "choosy"
    refusal: str | None = "models of this kind are mute"
    missing: str | None = None

    def build(self) -> Analysis:
        return Choosy(self.refusal, self.missing)


QUICK: dict[str, Any] = dict.fromkeys(("environment", "evaluation", "decoder")) | {"baselines": []}
TWO = [WeighingConfig(number=1), WeighingConfig(number=2)]


@pytest.fixture(autouse=True)
def _nothing_asked() -> None:
    Weighing.asked.clear()


def recipe_with(*analyses: AnalysisConfig, **changes: Any) -> Recipe:  # noqa: ANN401
    return tiny_recipe(analyses=[*analyses], **(QUICK | changes))


def findings(one: RunDir) -> dict[str, Any]:
    return {name: one.read(name)["findings"] for name in one.analysed()}


def asked(one: RunDir, recipe: Recipe, progress: Quiet | None = None) -> list[int]:
    """What was asked when a run folder was analysed."""
    Weighing.asked.clear()
    analyse(one, recipe, named(recipe.analyses), progress or Quiet())
    return list(Weighing.asked)


def test_what_is_found_is_stored_by_name(tmp_path: Path) -> None:
    one = run(tmp_path, recipe_with(*TWO))
    assert sorted(file.name for file in one.analyses.iterdir()) == ["weighing-2.json", "weighing.json"]
    document = one.read(one.analysis("weighing 2"))
    assert (document["name"], document["step"]) == ("weighing 2", 12)
    assert document["config"] == {"kind": "weighing", "number": 2}
    assert document["findings"]["title"] == "number 2"
    seed, weight, live, training, held_out, discount = json.loads(document["findings"]["text"])
    assert seed == stream(0, "analysis weighing 2")
    assert weight > 0
    assert 0 < live <= 5 * 12
    assert training + held_out == one.read("run")["data"]["steps"]
    assert discount == 0.99
    assert "analyses" in one.read("run")["timings"]


def test_what_a_kind_of_model_cannot_be_asked_is_left_out_of_a_run_and_refused_later(tmp_path: Path) -> None:
    progress, recipe = Quiet(), recipe_with(ChoosyConfig(refusal=None), ChoosyConfig(), WeighingConfig(number=1))
    one = run(tmp_path / "one", recipe, progress=progress)
    assert progress.notes.count("analysis 'choosy 2' is left out: models of this kind are mute") == 1
    assert one.analysed() == ["analyses/choosy", "analyses/weighing"]
    assert one.read("run")["finished"]
    assert weights(one) == weights(run(tmp_path / "other", recipe_with()))
    Weighing.asked.clear()
    with pytest.raises(RecipeError) as error:
        asked(one, recipe_with(WeighingConfig(number=2), ChoosyConfig()))
    assert str(error.value) == "analysis 'choosy': models of this kind are mute"
    assert Weighing.asked == []


def test_what_the_data_cannot_answer_is_said_before_anything_is_trained(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"^nothing to weigh$"):
        run(tmp_path, recipe_with(WeighingConfig(), ChoosyConfig(missing="nothing to weigh"), critic=IQLConfig()))
    one = only_run(tmp_path)
    assert not one.checkpoints.exists()
    assert not (one.path / "learned").exists()
    assert Weighing.asked == []


def test_a_run_without_analyses_says_nothing_of_them(tmp_path: Path) -> None:
    one = run(tmp_path, recipe_with())
    assert not one.analyses.exists()
    assert "analyses" not in one.read("run")["timings"]


def test_a_finished_run_is_asked_the_same_and_answers_the_same(tmp_path: Path) -> None:
    whole = run(tmp_path / "whole", recipe_with(*TWO))
    later = run(tmp_path / "later", recipe_with())
    assert asked(later, recipe_with(*TWO)) == [1, 2]
    assert findings(later) == findings(whole)


def test_what_is_there_is_not_asked_again_unless_it_would_be_asked_differently(tmp_path: Path) -> None:
    one, progress = run(tmp_path, recipe_with(*TWO)), Quiet()
    assert asked(one, recipe_with(*TWO), progress) == []
    assert progress.notes == [
        f"analysis '{name}' is there already; what is removed from {one.analyses} is run again"
        for name in ("weighing", "weighing 2")
    ]
    assert asked(one, recipe_with(WeighingConfig(number=1), WeighingConfig(number=3)), progress) == [3]
    assert progress.notes[-1] == "analysis 'weighing 2': its answer to number: 2 will be replaced"
    one.write("analyses/weighing-2", one.read("analyses/weighing-2") | {"key": "of another model"})
    assert asked(one, recipe_with(WeighingConfig(number=1), WeighingConfig(number=3)), progress) == [3]
    assert progress.notes[-1] == "analysis 'weighing 2': its answer to another model will be replaced"
    (one.analyses / "weighing.json").unlink()
    assert asked(one, recipe_with(WeighingConfig(number=1))) == [1]


def test_an_interrupted_run_goes_on_with_what_has_not_been_asked(tmp_path: Path) -> None:
    broken = recipe_with(*TWO, reporters=[SignallingConfig(name="finish")])
    with pytest.raises(Interrupted):
        run(tmp_path, broken)
    one = only_run(tmp_path)
    before = findings(one)
    (one.analyses / "weighing-2.json").unlink()
    Weighing.asked.clear()
    run(tmp_path, recipe_with(*TWO), resume=True)
    assert Weighing.asked == [2]
    assert findings(one) == before


def test_a_run_without_a_model_can_be_asked_what_needs_none(tmp_path: Path) -> None:
    changes: dict[str, Any] = {"model": None, "training": None}
    one = run(tmp_path / "whole", recipe_with(WeighingConfig(), **changes))
    assert json.loads(one.read("analyses/weighing")["findings"]["text"])[1] is None
    later = run(tmp_path / "later", recipe_with(**changes))
    assert asked(later, recipe_with(WeighingConfig(), **changes)) == [0]
    assert findings(later) == findings(one)
    with pytest.raises(RecipeError) as error:
        asked(later, recipe_with(ModelWeighingConfig(), **changes))
    assert str(error.value) == (
        f"{later.path}: analysis 'model_weighing' needs a 'model' section, and this run has none"
    )


def test_what_cannot_be_asked_is_said_in_a_line(tmp_path: Path) -> None:
    recipe = recipe_with(WeighingConfig())
    one = run(tmp_path, recipe_with())
    with locked(one), pytest.raises(ResourceError, match=r": process \d+ of .* is still writing to this run$"):
        asked(one, recipe)
    wider = recipe.model_copy(update={"data": CorridorData(episodes=29)})
    record = one.read("run")
    one.write("run", record | {"data": {"sha256": "other"}})
    with pytest.raises(DataError) as changed:
        asked(one, wider)
    assert str(changed.value) == f"data set 'corridor' has changed since {one.path} was made; it cannot be analysed"
    one.write("run", record)
    assert recipe.discretizer is not None
    bins = recipe.model_copy(update={"discretizer": recipe.discretizer.model_copy(update={"bins": 5})})
    with pytest.raises(CheckpointError, match=r"^the checkpoint of step 12 does not fit this recipe's model: "):
        asked(one, bins)
    for path in one.checkpoints.glob("ckpt-*"):
        (path / "manifest.json").unlink()
    with pytest.raises(CheckpointError) as untrained:
        asked(one, recipe)
    assert str(untrained.value) == f"{one.path}: the run has no checkpoint; its model is not trained yet"


def test_a_damaged_checkpoint_is_passed_over_in_one_line(tmp_path: Path) -> None:
    one, progress = run(tmp_path, recipe_with()), Quiet()
    broken = one.checkpoints / "ckpt-000012" / "model.safetensors"
    broken.write_bytes(broken.read_bytes()[:-1])
    asked(one, recipe_with(WeighingConfig()), progress)
    assert progress.notes == [
        f"{broken}: corrupt: its content does not match the manifest; the model after step 6 is analysed"
    ]
    assert one.read("analyses/weighing")["step"] == 6


@pytest.mark.parametrize("stride", [1, 3])
@pytest.mark.parametrize("count", [1, 2, 3])
def test_sequences_lie_within_one_episode_and_miss_none(count: int, stride: int) -> None:
    rows = corridor_rows()
    ends = rows.lengths.cumsum()
    episode_of = np.repeat(np.arange(len(rows.lengths)), rows.lengths)
    expected = [
        start
        for start in range(len(rows.values))
        if start + (count - 1) * stride < ends[-1] and episode_of[start + (count - 1) * stride] == episode_of[start]
    ]
    starts = rows.starts(count, stride)
    assert len(expected) > 0
    assert starts.tolist() == expected
    assert rows.episode(starts).tolist() == episode_of[expected].tolist()
    sequences = rows.sequences(starts, count, stride)
    assert sequences.shape == (len(starts), count, 5)
    for place in range(count):
        assert np.array_equal(sequences[:, place], rows.values[starts + place * stride])


def test_sequences_longer_than_every_episode_start_nowhere() -> None:
    assert corridor_rows().starts(13, 1).tolist() == []
