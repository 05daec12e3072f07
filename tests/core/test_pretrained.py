"""Exported parts plan exactly as the run they come from, and are refused wherever they do not fit."""

from __future__ import annotations

import html
import json
import re
import shutil
from typing import TYPE_CHECKING

import pytest
from tests.core.toys import CorridorData, Quiet, tiny_recipe

from ttf.analyse import analyse
from ttf.assemble import run_recipe
from ttf.cli.edge import run_cli
from ttf.cli.shipped import shipped_recipe
from ttf.component import DataConfig
from ttf.errors import CheckpointError, RecipeError
from ttf.plan_only import run_pretrained
from ttf.pretrained import Pretrained, export
from ttf.run_dir import RunDir, read_lines
from ttf_plugins.bc import BehaviourCloningConfig
from ttf_plugins.discretizer import DiscretizerAnalysisConfig
from ttf_plugins.gpt import GPTConfig
from ttf_plugins.html import HtmlConfig
from ttf_plugins.iql import IQLConfig
from ttf_plugins.jsonl import JsonLinesConfig
from ttf_plugins.value_guided import ValueGuidedConfig

if TYPE_CHECKING:
    from pathlib import Path

    from ttf.recipe import Recipe

SHIPPED = shipped_recipe("antmaze_value_guided").parent / "pretrained"
CRITIC = IQLConfig(updates=30, hidden=8)
GUIDED = tiny_recipe(critic=CRITIC, decoder=ValueGuidedConfig(horizon=2, beam_width=2, expand=2, context=3))


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> RunDir:
    return run_recipe(GUIDED, runs_dir=tmp_path_factory.mktemp("runs"), resume=False, progress=Quiet())


@pytest.fixture(scope="module")
def parts(trained: RunDir, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("exported") / "parts"
    export(trained, GUIDED, folder)
    return folder


def again(parts: Path, runs: Path, recipe: Recipe = GUIDED, progress: Quiet | None = None) -> RunDir:
    return run_pretrained(recipe, Pretrained(parts), runs_dir=runs, progress=progress or Quiet())


def planned(run: RunDir) -> list[object]:
    return [record for record in read_lines(run.episodes) if record["policy"] == "value_guided"]


def test_pretrained_parts_plan_as_the_run_did_and_need_no_data(
    trained: RunDir, parts: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(CorridorData, "build", DataConfig.build)  # which has no result
    progress = Quiet()
    run = again(parts, tmp_path, progress=progress)
    assert planned(run) == planned(trained)
    assert len(planned(run)) == 5
    record = run.read("run")
    assert record["pretrained"]["seed"] == 0
    assert record["data"] == trained.read("run")["data"]
    assert not run.checkpoints.exists()
    assert any(note.startswith(f"nothing is trained: {parts} was, for 'tiny', until 20") for note in progress.notes)


def test_what_needs_data_is_left_out_and_said_to_be(parts: Path, tmp_path: Path) -> None:
    progress = Quiet()
    more = {"baselines": [*GUIDED.baselines, BehaviourCloningConfig()], "analyses": [DiscretizerAnalysisConfig()]}
    run = again(parts, tmp_path, GUIDED.model_copy(update=more), progress)
    assert [row["policy"] for row in run.read("result")["policies"]] == ["value_guided", "homing"]
    assert "baseline 'bc' is left out: it needs the data" in progress.notes
    assert "analysis 'discretizer' is left out: it needs the data" in progress.notes
    with pytest.raises(CheckpointError, match=r"it planned with pretrained parts, and has no data$"):
        analyse(run, GUIDED, {"discretizer": DiscretizerAnalysisConfig()}, Quiet())


def test_the_report_says_that_nothing_was_trained_and_how_to_plan_again(parts: Path, tmp_path: Path) -> None:
    recipe = GUIDED.model_copy(update={"reporters": [JsonLinesConfig(), HtmlConfig()]})
    run = again(parts, tmp_path, recipe)
    page = " ".join(html.unescape(run.report.read_text()).split())
    assert f"read from <code>{parts.name}</code>, trained until 20" in page
    assert "was trained for" not in page
    assert f"<code>ttf run recipe.yaml --pretrained-from {parts}</code>" in page


@pytest.mark.parametrize(
    ("change", "difference"),
    [
        ({"model": GPTConfig(layers=1, heads=1, width=16, context=3)}, "model.width is 16 in the recipe, but 8"),
        ({"data": CorridorData(discount=0.5)}, "data.discount is 0.5 in the recipe, but 0.9"),
        ({"critic": None, "decoder": tiny_recipe().decoder}, 'critic is null in the recipe, but "iql"'),
    ],
)
def test_a_recipe_that_the_parts_were_not_made_from_is_refused(
    parts: Path, tmp_path: Path, change: dict[str, object], difference: str
) -> None:
    with pytest.raises(RecipeError, match=f"^{re.escape(difference)}") as refusal:
        again(parts, tmp_path, GUIDED.model_copy(update=change))
    assert str(refusal.value).endswith(f" in the pretrained files {parts}; leave out --pretrained to train")
    assert list(tmp_path.iterdir()) == []


def test_a_field_that_the_parts_do_not_know_had_its_default(parts: Path, tmp_path: Path) -> None:
    copy = tmp_path / "parts"
    shutil.copytree(parts, copy)
    described = json.loads((copy / "pretrained.json").read_text())
    del described["sections"]["critic"]["subgoal_waves"]
    (copy / "pretrained.json").write_text(json.dumps(described))
    assert len(planned(again(copy, tmp_path / "runs"))) == 5
    wavy = GUIDED.model_copy(update={"critic": CRITIC.model_copy(update={"subgoal_waves": 2})})
    with pytest.raises(RecipeError, match=r"^critic\.subgoal_waves is 2 in the recipe, but 0 in the pretrained files"):
        again(copy, tmp_path / "runs", wavy)


def test_a_decoder_or_evaluation_may_differ(parts: Path, tmp_path: Path) -> None:
    wider = ValueGuidedConfig(horizon=1, beam_width=4, expand=2, context=3)
    assert len(planned(again(parts, tmp_path, GUIDED.model_copy(update={"decoder": wider, "seed": 7})))) == 5


def test_damaged_parts_are_refused(parts: Path, tmp_path: Path) -> None:
    copy = tmp_path / "parts"
    shutil.copytree(parts, copy)
    (weights,) = copy.glob("model/ckpt-*/model.safetensors")
    weights.write_bytes(weights.read_bytes()[:-1] + b"\1")
    with pytest.raises(CheckpointError, match="corrupt: its content does not match the manifest"):
        again(copy, tmp_path / "runs")
    described = json.loads((copy / "pretrained.json").read_text())
    (copy / "pretrained.json").write_text(json.dumps(described | {"observation": "two"}))
    with pytest.raises(CheckpointError, match=r"pretrained\.json: observation: Input should be a valid integer"):
        Pretrained(copy)
    (copy / "pretrained.json").write_text(json.dumps(described | {"format": 9}))
    with pytest.raises(CheckpointError, match="written in format 9; this ttf reads 1"):
        Pretrained(copy)
    with pytest.raises(CheckpointError, match=r"no pretrained files: pretrained\.json cannot be read$"):
        Pretrained(tmp_path / "parts" / "model")
    with pytest.raises(CheckpointError, match=r"pretrained\.json cannot be read; did you mean \S+/parts\?$"):
        Pretrained(tmp_path)


def test_a_run_that_is_not_trained_to_the_end_cannot_be_exported(trained: RunDir, tmp_path: Path) -> None:
    assert GUIDED.training is not None
    longer = GUIDED.model_copy(update={"training": GUIDED.training.model_copy(update={"steps": 99})})
    with pytest.raises(CheckpointError, match="the sequence model is not trained to the end"):
        export(trained, longer, tmp_path / "a")
    longer = GUIDED.model_copy(update={"critic": CRITIC.model_copy(update={"updates": 99})})
    with pytest.raises(CheckpointError, match="the critic is not trained to the end"):
        export(trained, longer, tmp_path / "b")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", sorted(path.name for path in SHIPPED.iterdir()))
def test_shipped_parts_fit_the_recipe_they_come_with(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    brief = ["--set", "evaluation.episodes=2", "--set", "evaluation.max_steps=5"]
    assert run_cli(["run", name, "--pretrained", *brief, "--runs-dir", str(tmp_path)]) == 0
    assert "nothing is trained" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["run", "smoke/pointmaze_beam_search", "--pretrained"], "no pretrained parts come with it"),
        (["run", "smoke/pointmaze_beam_search", "--pretrained", "--resume"], "leave one of them out"),
        (["export", ".", "there"], "not a run folder; it has no recipe.yaml"),
    ],
)
def test_the_command_line_refuses_in_a_line(
    arguments: list[str],
    message: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    assert run_cli(arguments) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert message in line
