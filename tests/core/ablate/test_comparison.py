"""Trials run, fail and are compared."""

from __future__ import annotations

import base64
import json
import re
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any, final

import numpy as np
import pytest
import torch
from tests.core.toys import CorridorEnvironmentConfig, Quiet, tiny_recipe

from ttf.ablate.comparison import CellResult, Comparison, Cost, compare
from ttf.ablate.figures import intervals_picture, learning_curves, profiles_picture
from ttf.ablate.launching import launch, missing
from ttf.ablate.page import render
from ttf.ablate.study import Study, Trial
from ttf.ablate.study_dir import StudyDir, create_study, newest_study
from ttf.ablate.table import HEADINGS, rows
from ttf.aggregate import Aggregates, aggregates, paired_difference, probability_of_improvement
from ttf.assemble import run_in
from ttf.errors import DataError, RecipeError
from ttf.interfaces.launcher import Job, Launcher
from ttf.run_dir import RunDir, read_lines, write_lines
from ttf.sections import EvaluationConfig
from ttf.stages import Stages
from ttf.statistics import Interval
from ttf_plugins.beam_search import BeamSearchConfig
from ttf_plugins.uniform import UniformConfig

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from ttf.paper import Picture

SEEDS = (0, 1)
SWAPS: dict[str, dict[str, Any]] = {
    "as given": {},
    "wide": {"decoder": BeamSearchConfig(horizon=3, beam_width=4, expand=2, context=3)},
    "discretizer=uniform": {"discretizer": UniformConfig(bins=12)},
}


def tiny_study(swaps: dict[str, dict[str, Any]] | None = None) -> Study:
    same = {"evaluation": EvaluationConfig(episodes=5, batch=3, trajectories=2, seed=0)}

    def trial(cell: str, seed: int, changes: dict[str, Any]) -> Trial:
        recipe = tiny_recipe(seed=seed, **same, **changes)
        return Trial(cell, seed, recipe.model_copy(update={"data": recipe.data.model_copy(update={"seed": 0})}))

    cells = {cell: [trial(cell, seed, changes) for seed in SEEDS] for cell, changes in (swaps or SWAPS).items()}
    return Study(tiny_recipe(), cells)


@final
class HereLauncher(Launcher):
    """Runs trials in this process."""

    def __init__(self, study: Study, runs: Path, failing: Sequence[str] = ()) -> None:
        self.trials = {trial.name: trial for trial in study.trials}
        self.runs, self.failing, self.ran = runs, failing, list[str]()

    def run(self, jobs: Sequence[Job], ended: Callable[[Job, str | None], None]) -> None:
        for job in jobs:
            self.ran.append(job.name)
            if job.name in self.failing:
                ended(job, "out of luck")
                continue
            folder = RunDir(self.runs.__class__(job.command[job.command.index("trial") + 1]))
            run_in(folder, self.trials[job.name].recipe, torch.device("cpu"), Stages(self.runs), Quiet())
            ended(job, None)


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> tuple[Study, StudyDir, HereLauncher, Path]:
    runs, study = tmp_path_factory.mktemp("runs"), tiny_study()
    folder, launcher = create_study(runs, study), HereLauncher(study, runs)
    assert launch(study, folder, launcher, runs, Quiet()) == {}
    return study, folder, launcher, runs


def test_a_model_that_cells_share_is_trained_once_and_first(
    done: tuple[Study, StudyDir, HereLauncher, Path],
) -> None:
    study, folder, launcher, _ = done
    taken = {trial.name: folder.run(trial).read("run")["stages"]["model"]["taken"] for trial in study.trials}
    assert taken == {name: name.startswith("wide") for name in taken}
    assert [name.split(",")[0] for name in launcher.ran] == [
        "as given", "as given", "discretizer=uniform", "discretizer=uniform", "wide", "wide",
    ]  # fmt: skip


def test_all_cells_have_the_same_data_and_episodes(done: tuple[Study, StudyDir, HereLauncher, Path]) -> None:
    study, folder, _, _ = done
    runs = [folder.run(trial) for trial in study.trials]
    assert len({run.read("run")["data"]["sha256"] for run in runs}) == 1
    assert len({tuple(line["seed"] for line in read_lines(run.episodes) if line["policy"] == "beam_search")
                for run in runs}) == 1  # fmt: skip


def test_what_is_compared_is_what_the_episodes_say(done: tuple[Study, StudyDir, HereLauncher, Path]) -> None:
    study, folder, _, _ = done
    comparison = compare(study, folder)
    metric = comparison.metric
    scores = {
        cell: np.array(
            [
                [float(line[metric]) for line in read_lines(folder.run(t).episodes) if line["policy"] == "beam_search"]
                for t in trials
            ]
        )
        for cell, trials in study.cells.items()
    }
    assert [cell.name for cell in comparison.cells] == list(SWAPS)
    for cell in comparison.cells:
        np.testing.assert_array_equal(cell.scores, scores[cell.name])
        assert cell.scores.shape == (2, 5)
        assert cell.aggregates == aggregates(scores[cell.name], 0)
        if cell.name == "as given":
            assert cell.difference is cell.improvement is None
        else:
            assert cell.difference == paired_difference(scores[cell.name], scores["as given"], 0)
            assert cell.improvement == probability_of_improvement(scores[cell.name], scores["as given"], 0)
        assert cell.cost.tokens > 0
        assert cell.cost.training > 0
    wide, given = comparison.cells[1], comparison.cells[0]
    assert wide.cost.training == given.cost.training, "whoever has trained it"


def test_episodes_are_paired_by_their_seeds(tmp_path: Path) -> None:
    study = tiny_study({"as given": {}, "same": {}})
    folder = create_study(tmp_path, study)
    launch(study, folder, HereLauncher(study, tmp_path), tmp_path, Quiet())
    for cell, trials in study.cells.items():
        for trial in trials:
            file = folder.run(trial).episodes
            lines = [*read_lines(file)]
            for place, line in enumerate(lines):
                line |= {"return": float(line["seed"] % 1000), "success": None, "episode": place}
            write_lines(file, lines if cell == "as given" else lines[::-1])
    given, same = compare(study, folder).cells
    assert given.scores.shape == same.scores.shape == (2, 5)
    np.testing.assert_array_equal(given.scores, same.scores)
    assert same.difference is not None
    assert same.difference.estimate == 0


def _cut(run: RunDir) -> None:
    write_lines(run.episodes, [*read_lines(run.episodes)][1:])


def _emptied(run: RunDir) -> None:
    write_lines(run.episodes, [{}])


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (_cut, "episodes.jsonl: 1 of the 5 episodes of 'beam_search' are missing"),
        (lambda run: run.episodes.unlink(), "episodes.jsonl: 5 of the 5 episodes of 'beam_search' are missing"),
        (lambda run: run.episodes.write_text("{\n"), "episodes.jsonl: not JSON: "),
        (_emptied, "seed-1: its result or an episode is damaged or gone"),
        (lambda run: (run.path / "result.json").write_text("{"), "result.json: not JSON: "),
        (lambda run: (run.path / "result.json").unlink(), "seed-1: its result or an episode is damaged or gone"),
        (lambda run: (run.path / "run.json").write_text("{"), "run.json: not JSON: "),
    ],
)
def test_a_trial_whose_records_are_damaged_is_named_and_run_again_and_the_others_are_compared(
    done: tuple[Study, StudyDir, HereLauncher, Path], damage: Callable[[RunDir], object], said: str
) -> None:
    study, folder, _, runs = done
    before, trial = compare(study, folder), study.cells["wide"][1]
    damage(folder.run(trial))
    notes: list[str] = []
    assert missing(study, folder, notes.append) == [trial]
    (note,) = notes
    assert note.startswith(f"wide, seed 1: {folder.run(trial).path}")
    assert said in note
    partial = {cell.name: cell for cell in compare(study, folder).cells}
    assert partial["wide"].seeds == [0]
    assert partial["as given"].scores.shape == (2, 5)
    again = HereLauncher(study, runs)
    assert launch(study, folder, again, runs, Quiet()) == {}
    assert again.ran == ["wide, seed 1"]
    for cell, former in zip(compare(study, folder).cells, before.cells, strict=True):
        np.testing.assert_array_equal(cell.scores, former.scores)


def test_cells_that_have_acted_in_different_environments_are_not_compared(tmp_path: Path) -> None:
    swaps = {f"limit={limit}": {"environment": CorridorEnvironmentConfig(limit=limit)} for limit in (12, 13)}
    study = tiny_study(swaps)
    folder = create_study(tmp_path, study)
    launch(study, folder, HereLauncher(study, tmp_path), tmp_path, Quiet())
    with pytest.raises(DataError) as caught:
        compare(study, folder)
    assert str(caught.value).startswith(
        "the cells 'limit=12' and 'limit=13' cannot be compared, as they have acted in different environments: "
        "options.limit is 12 and 13; "
    )


def test_only_what_is_missing_runs_when_a_study_goes_on(tmp_path: Path) -> None:
    study = tiny_study()
    folder = create_study(tmp_path, study)
    first = HereLauncher(study, tmp_path, failing=["wide, seed 1"])
    assert launch(study, folder, first, tmp_path, Quiet()) == {"wide, seed 1": "out of luck"}
    assert folder.read("failures") == {"wide, seed 1": "out of luck"}
    partial = compare(study, folder)
    assert {cell.name: cell.seeds for cell in partial.cells}["wide"] == [0]
    assert partial.failures == {"wide, seed 1": "out of luck"}
    assert "out of luck" in render(partial, study, folder)
    assert [trial.name for trial in missing(study, folder)] == ["wide, seed 1"]
    again = newest_study(tmp_path, study, pytest.fail)
    assert again == folder
    second = HereLauncher(study, tmp_path)
    assert launch(study, again, second, tmp_path, Quiet()) == {}
    assert second.ran == ["wide, seed 1"]
    assert compare(study, folder).failures == {}


def test_studies_of_the_same_second_get_folders_of_their_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("time.strftime", lambda _: "20260102-030405")
    study = tiny_study()
    made = [create_study(tmp_path, study) for _ in range(2)]
    assert [folder.path.name for folder in made] == ["20260102-030405", "20260102-030405-2"]
    assert newest_study(tmp_path, study, pytest.fail) == made[1]


def test_a_study_that_cannot_be_read_is_passed_over(tmp_path: Path) -> None:
    study = tiny_study()
    made = create_study(tmp_path, study)
    damaged = made.path.with_name("29990101-000000")
    damaged.mkdir()
    (damaged / "study.json").write_text("{")
    notes: list[str] = []
    assert newest_study(tmp_path, study, notes.append) == made
    assert [note.startswith(f"{damaged / 'study.json'}: not a JSON mapping: ") for note in notes] == [True]


def test_another_study_is_not_gone_on_with(tmp_path: Path) -> None:
    create_study(tmp_path, tiny_study())
    other = tiny_study({name: changes for name, changes in SWAPS.items() if name != "wide"})
    with pytest.raises(RecipeError, match=r"nothing to resume: no study in .* has these cells"):
        newest_study(tmp_path, other, pytest.fail)


def test_a_study_with_fewer_seeds_is_named_though_it_is_not_gone_on_with(tmp_path: Path) -> None:
    study = tiny_study()
    folder = create_study(tmp_path, replace(study, cells={name: trials[:1] for name, trials in study.cells.items()}))
    with pytest.raises(RecipeError) as caught:
        newest_study(tmp_path, study, pytest.fail)
    assert str(caught.value) == (
        f"nothing to resume: {folder.path} has these cells with 1 seed from 0 on, not 2 from 0; leave out --resume: "
        "what it has trained is used again"
    )


def test_the_page_shows_every_cell_and_the_same_contents_give_the_same_page(
    done: tuple[Study, StudyDir, HereLauncher, Path],
) -> None:
    study, folder, _, _ = done
    comparison = compare(study, folder)
    page = render(comparison, study, folder)
    assert page == render(comparison, study, folder)
    for cell in SWAPS:
        assert f">{cell}</th>" in page
    assert page.count("<figure>") >= 2
    assert list(learning_curves(comparison, study, folder)) == ["as given and 1 more", "discretizer=uniform"]
    one_model = replace(comparison, cells=comparison.cells[:2])
    assert list(learning_curves(one_model, study, folder)) == ["all cells"]
    assert "report.html" not in page, "there are no reports of single runs here"
    assert "3 cells · 2 seeds · 5 episodes each, compared by" in page
    assert f"torch {torch.__version__} · Python " in page
    assert f"{time.strftime('%Y-', time.gmtime())}" in page
    assert 'again with <code>ttf ablate <a href="recipe.yaml">recipe.yaml</a></code>' in page
    assert "fewer than 3 seeds have finished: seeds are the samples of training" in page
    json.dumps(comparison.as_json(), allow_nan=False)


def test_the_page_links_the_logs_of_what_has_failed_and_says_when_there_is_nothing_to_compare(tmp_path: Path) -> None:
    study = tiny_study({name: SWAPS[name] for name in ("as given", "wide")})
    folder = create_study(tmp_path, study)
    failing = [f"wide, seed {seed}" for seed in SEEDS]
    launch(study, folder, HereLauncher(study, tmp_path, failing), tmp_path, Quiet())
    for trial in study.cells["wide"]:
        folder.log(trial).parent.mkdir(parents=True, exist_ok=True)
        folder.log(trial).touch()
    comparison = compare(study, folder)
    assert comparison.unfinished == comparison.as_json()["unfinished"] == ["wide"]
    page = render(comparison, study, folder)
    assert "A single cell has finished: there is nothing to compare." in page
    assert page.count('<th scope="row">wide</th>\n<td colspan=') == 2
    assert 'log of <a href="logs/wide/seed-0.log">seed 0</a>, <a href="logs/wide/seed-1.log">seed 1</a></td>' in page
    assert 'out of luck</td><td><a href="logs/wide/seed-1.log">log</a></td>' in page


def test_a_page_of_nothing_but_failures_has_no_empty_table(tmp_path: Path) -> None:
    study = tiny_study({"as given": {}})
    folder = create_study(tmp_path, study)
    launch(study, folder, HereLauncher(study, tmp_path, [trial.name for trial in study.trials]), tmp_path, Quiet())
    page = render(compare(study, folder), study, folder)
    assert '<p class="failed">No trial has finished.</p>' in page
    assert "1 cell · 2 seeds" in page
    assert "<thead>" not in page
    assert "<figure>" not in page


@pytest.mark.parametrize(
    ("metric", "scores", "drawn"),
    [
        ("success", [[0, 1, 1, 0], [0, 1, 0, 0], [0, 1, 1, 0]], True),
        ("success", [[0, 1, 1, 0]], False),
        ("success", [[0, 1, 1, 0]] * 3, False),
        ("return", [[0.1, 2, 3, 4]], True),
        ("return", [[1, 1, 1, 1]] * 3, False),
    ],
)
def test_a_profile_is_drawn_wherever_it_says_something(metric: str, scores: list[list[float]], drawn: bool) -> None:
    matrix = np.array(scores, dtype=np.float64)
    seeds = [*range(len(matrix))]
    cell = CellResult("a", "p", seeds, matrix, aggregates(matrix, 0), None, None, Cost(1, 1, 1))
    picture = profiles_picture(Comparison("r", "a", metric, [cell], {}))
    assert (picture is not None) == drawn
    if picture is not None:
        axis = "seeds that succeed, τ in %" if metric == "success" else "return τ"
        assert f"<!-- {axis} -->" in _svg(picture)


def test_figures_have_the_unit_of_the_table() -> None:
    shares = [_cell("model=gpt", 0.5, 0.75, 0.9), _cell("model=lstm", 0.625, 0.8, 0.9)]
    svg = _svg(intervals_picture(Comparison("r", "model=gpt", "success", shares, {})))
    said = re.findall("<!-- (.*?) -->", svg)
    assert said.count("success, %") == 3
    assert {"60", "75", "90", "gpt", "lstm", "model"} < {*said}
    alike = [_cell("a", 0, 0, 0)]
    assert len(re.findall("xtick_", _svg(intervals_picture(Comparison("r", "a", "return", alike, {}))))) <= 3 * 6


def _svg(picture: Picture) -> str:
    return base64.b64decode(picture.source.partition(",")[2]).decode()


def _cell(name: str, low: float, estimate: float, high: float) -> CellResult:
    interval = Interval(estimate, low, high)
    return CellResult(
        name, "p", [0], np.array([[estimate]]), Aggregates(interval, interval, interval), None, None, Cost(1, 1, 1)
    )


@pytest.mark.parametrize(
    ("cells", "best"),
    [
        ([("a", 1, 2, 3), ("b", 4, 5, 6), ("c", 0, 1, 2)], "b"),
        ([("a", 1, 2, 4.5), ("b", 4, 5, 6), ("c", 0, 1, 2)], None),
        ([("a", 1, 2, 3), ("b", 3, 5, 6)], None),
        ([("a", 1, 2, 3)], None),
        ([], None),
    ],
)
def test_a_cell_stands_out_only_where_intervals_do_not_overlap(
    cells: list[tuple[str, float, float, float]], best: str | None
) -> None:
    comparison = Comparison("r", "a", "return", [_cell(*cell) for cell in cells], {})
    assert comparison.best == best
    assert [row.name for row in rows(comparison) if row.best] == ([best] if best else [])


def test_figures_are_rounded_to_what_their_intervals_support() -> None:
    comparison = Comparison("r", "a", "return", [_cell("a", 1203.4, 1311.2, 1417.9), _cell("b", 3, 15, 20)], {})
    first, second = rows(comparison)
    assert first.label == "a (as given)"
    assert first.figures[:2] == ("1", "1311 [1203, 1418]")
    assert second.figures[:2] == ("1", "15 [3, 20]")
    shares = Comparison("r", "a", "success", [_cell("a", 0.912, 0.951, 0.983)], {})
    assert rows(shares)[0].figures[1] == "95.1 [91.2, 98.3]"
    assert len(first.figures) == len(HEADINGS) - 1
