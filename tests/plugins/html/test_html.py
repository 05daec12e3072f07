from __future__ import annotations

import json
import re
import subprocess
import sys
from html.parser import HTMLParser
from typing import TYPE_CHECKING

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from ttf.errors import DataError
from ttf.layout import Layout
from ttf.run_dir import read_lines, write_lines
from ttf.testing import check_reporter
from ttf_plugins.html import HtmlConfig

if TYPE_CHECKING:
    from collections.abc import Callable

    from ttf.run_dir import RunDir

HOSTILE = "<script>alert(1)</script> & $\\frac{\"'"


class Page(HTMLParser):
    """What the page holds: elements, links, sections, text, and the exact numbers of every table, row by row."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.links: list[str] = []
        self.sections: list[str] = []
        self.tables: list[list[list[float]]] = []
        self.headers: list[str] = []
        self.text = ""
        self._in_header = self._in_table = False
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        self.tags.append(tag)
        self.links += [value or "" for name, value in attrs if name in ("src", "href", "style") or name[:2] == "on"]
        if tag == "section" and given.get("id"):
            self.sections.append(given["id"] or "")
        if tag == "table":
            self.tables.append([])
            self._in_table = True
        if tag == "tr":
            self.tables[-1].append([])
        if tag == "data" and self._in_table:
            self.tables[-1][-1].append(float(given["value"] or "nan"))
        if tag == "th":
            self.headers.append("")
            self._in_header = True

    def handle_endtag(self, tag: str) -> None:
        self._in_header = self._in_header and tag != "th"
        self._in_table = self._in_table and tag != "table"

    def handle_data(self, data: str) -> None:
        self.text += data
        if self._in_header:
            self.headers[-1] += data


def report(run: RunDir) -> Page:
    HtmlConfig().build(run).finish()
    return Page(run.report.read_text(encoding="utf-8"))


def rewrite(run: RunDir, name: str, change: Callable[[str], str]) -> None:
    document = run.read(name)
    run.write(name, json.loads(change(json.dumps(document))))


def test_the_contract_of_reporters_is_kept() -> None:
    check_reporter(HtmlConfig())


def test_the_numbers_of_the_report_are_exactly_those_of_the_result(full_run: RunDir) -> None:
    results, paired = report(full_run).tables[:2]
    fields = ("estimate", "low", "high")
    document = full_run.read("result")
    assert results[1:] == [
        [row["episodes"], *(row[column][field] for column in ("success", "steps", "return") for field in fields)]
        for row in document["policies"]
    ]
    assert paired[1:] == [
        [row[c][field] for c in ("steps", "return") for field in fields] for row in document["paired"]
    ]
    assert len(results) == 4
    assert len(paired) == 3


def test_every_evaluation_episode_is_listed_exactly(full_run: RunDir) -> None:
    listed = report(full_run).tables[-1][2:]
    by_seed: dict[int, list[float]] = {}
    for record in read_lines(full_run.episodes):
        by_seed.setdefault(record["seed"], []).extend([record["steps"], record["return"]])
    assert listed == list(by_seed.values())
    assert len(listed) == 30


def test_the_main_result_is_told_in_the_first_paragraph(full_run: RunDir) -> None:
    text = " ".join(report(full_run).text.split())
    assert (
        "A model gpt of 1 012 345 parameters was trained for 5 000 updates on "
        "ttf/pointmaze-medium-waypoints-v0 (1 692 episodes, 200 013 steps). On unseen seeds, "
        "beam_search succeeded in 90.0 % of 30 episodes (95 % interval 74.4 to 96.5 %) and took" in text
    )


def test_a_run_that_learned_from_the_best_episodes_alone_says_so(full_run: RunDir) -> None:
    rewrite(full_run, "run", lambda text: text.replace('"data": {', '"data": {"best_fraction": 0.25, ', 1))
    text = " ".join(report(full_run).text.split())
    assert "(1 692 episodes, 200 013 steps, the best 25 % of which are learned from). On unseen" in text


def test_a_deadline_says_how_far_plans_got_and_how_many_came_late(full_run: RunDir) -> None:
    info = full_run.read("run")
    counted = {"reached": {"32": 3, "64": 1}, "late": 2, "latest_ms": 12.5}
    full_run.write("run", info | {"deadline": {"beam_search": counted}})
    text = " ".join(report(full_run).text.split())
    said = "By its deadline, beam_search reached beam width 32 in 75 %, 64 in 25 % of 4 plans;"
    assert f"{said} 2 came late, by up to 12 ms." in text
    full_run.write("run", info | {"deadline": {"beam_search": counted | {"late": 0}}})
    assert f"{said} none came late." in " ".join(report(full_run).text.split())


def test_everything_strangers_name_is_text(full_run: RunDir) -> None:
    for name in ("run", "result", "discretizer"):
        rewrite(full_run, name, lambda text: hostile(text, "pointmaze_beam_search", "beam_search", "reward", "torch"))
    full_run.recipe.write_text(f"name: {HOSTILE}\n")
    records = [
        record | {"policy": record["policy"].replace("beam_search", HOSTILE)}
        for record in read_lines(full_run.episodes)
    ]
    write_lines(full_run.episodes, records)
    arrays = load_file(full_run.trajectories)
    save_file({key.replace("beam_search", HOSTILE): array for key, array in arrays.items()}, full_run.trajectories)
    page = report(full_run)
    assert "script" not in page.tags
    assert all(link.startswith("data:image/svg+xml;base64,") for link in page.links)
    assert page.headers.count(HOSTILE) >= 4  # a result, a heading of the episodes, a column, a version
    assert f"name: {HOSTILE}" in page.text


def hostile(text: str, *words: str) -> str:
    for word in words:
        text = text.replace(json.dumps(word), json.dumps(HOSTILE))
    return text


def test_the_page_refers_to_nothing_outside_itself(full_run: RunDir) -> None:
    page = report(full_run)
    assert page.tags.count("img") == 5
    assert len(page.links) == 5
    assert all(link.startswith("data:image/svg+xml;base64,") for link in page.links)
    assert not set(page.tags) & {"script", "link", "iframe", "object"}
    assert re.findall(r"url\(|@import|https?:", full_run.report.read_text()) == []


def test_the_same_folder_gives_the_same_page(full_run: RunDir) -> None:
    report(full_run)
    first = full_run.report.read_bytes()
    report(full_run)
    assert full_run.report.read_bytes() == first


EVERYTHING = ["results", "behaviour", "training", "discretizer", "provenance"]
MISSING = [
    (["result.json"], ["behaviour", "training", "discretizer", "provenance"]),
    (["metrics.jsonl"], ["results", "behaviour", "discretizer", "provenance"]),
    (["discretizer.json"], ["results", "behaviour", "training", "provenance"]),
    (["result.json", "trajectories.safetensors", "episodes.jsonl"], ["training", "discretizer", "provenance"]),
    (["floor_plan.json"], EVERYTHING),
    (["trajectories.safetensors"], EVERYTHING),
    (["episodes.jsonl"], EVERYTHING),
    (["run.json"], EVERYTHING),
    (["recipe.yaml"], EVERYTHING),
]


@pytest.mark.parametrize(("files", "sections"), MISSING)
def test_a_section_without_its_data_is_left_out(full_run: RunDir, files: list[str], sections: list[str]) -> None:
    for file in files:
        (full_run.path / file).unlink()
    assert report(full_run).sections == sections


def test_an_empty_folder_gives_a_page_that_says_so(run: RunDir) -> None:
    page = report(run)
    assert page.sections == ["provenance"]
    assert "img" not in page.tags
    assert "It has not been evaluated." in page.text
    assert "ttf report ." in page.text


def test_the_subgoals_of_actions_are_counted_by_themselves(full_run: RunDir) -> None:
    layout = Layout(29, 10, subgoal_columns=(0, 1))
    document = {**full_run.read("run"), "layout": {"observation": 29, "action": 10, "names": layout.names}}
    full_run.write("run", document)
    said = "29 observation, 2 subgoal and 8 action dimensions, a reward and a value: 41 tokens."
    assert f"A transition has {said}" in " ".join(report(full_run).text.split())


def test_training_without_validation_or_with_one_record_is_drawn(full_run: RunDir) -> None:
    write_lines(full_run.metrics, [{"kind": "train", "step": 1, "loss": 2.0, "learning_rate": 1e-4}])
    assert "training" in report(full_run).sections


def test_an_environment_without_success_is_judged_by_return(full_run: RunDir) -> None:
    document = full_run.read("result")
    for row in document["policies"]:
        row["success"] = None
    full_run.write("result", document)
    page = report(full_run)
    assert "Success, %" not in page.headers
    assert "beam_search reached a mean return of 0.90 [0.79, 1.01]" in " ".join(page.text.split())


def test_means_without_an_interval_are_shown_without_one(full_run: RunDir) -> None:
    document = full_run.read("result")
    for row in (*document["policies"], *document["paired"]):
        for column in ("steps", "return"):
            row[column] |= {"low": None, "high": None}
    full_run.write("result", document)
    results, paired = report(full_run).tables[:2]
    success, means = ("estimate", "low", "high"), ("steps", "return")
    assert results[1:] == [
        [row["episodes"], *(row["success"][field] for field in success), *(row[c]["estimate"] for c in means)]
        for row in document["policies"]
    ]
    assert paired[1:] == [[row[c]["estimate"] for c in means] for row in document["paired"]]


MALFORMED = [
    (
        "run.json",
        "{",
        "run.json: not JSON: Expecting property name enclosed in double quotes: line 1 column 2 (char 1)",
    ),
    ("run.json", "[]", "run.json: not a JSON mapping"),
    ("run.json", '{"data": {}}', "run.json: data.id: Field required"),
    ("result.json", '{"policies": 3}', "result.json: policies: Input should be a valid list"),
    ("episodes.jsonl", '{"policy": "a"}\n', "episodes.jsonl:1: episode: Field required"),
    ("floor_plan.json", '{"walls": []}', "floor_plan.json: cell: Field required"),
    (
        "floor_plan.json",
        '{"walls": [[0, 0]], "cell": 1.0, "position": [0, 9]}',
        "floor_plan.json: columns (0, 9) of the observation; expected columns below 6",
    ),
]


@pytest.mark.parametrize(("file", "text", "message"), MALFORMED)
def test_a_malformed_file_is_one_clear_line_and_the_old_report_stays(
    full_run: RunDir, file: str, text: str, message: str
) -> None:
    full_run.report.write_text("old")
    (full_run.path / file).write_text(text)
    with pytest.raises(DataError) as caught:
        HtmlConfig().build(full_run).finish()
    assert str(caught.value).removeprefix(f"{full_run.path}/") == message
    assert full_run.report.read_text() == "old"


def test_a_truncated_trajectory_file_is_one_clear_line(full_run: RunDir) -> None:
    full_run.trajectories.write_bytes(full_run.trajectories.read_bytes()[:1000])
    with pytest.raises(DataError, match=r"^trajectories\.safetensors: not readable as safetensors: "):
        HtmlConfig().build(full_run).finish()


def test_a_trajectory_of_the_wrong_shape_is_named(full_run: RunDir) -> None:
    save_file({"beam_search/0/observations": np.zeros(3, np.float32)}, full_run.trajectories)
    with pytest.raises(DataError) as caught:
        HtmlConfig().build(full_run).finish()
    assert str(caught.value) == (
        "trajectories.safetensors: beam_search/0/observations: shape (3,); expected (time, dimension)"
    )


def test_metrics_and_episodes_that_are_reported_write_nothing(run: RunDir) -> None:
    reporter = HtmlConfig().build(run)
    reporter.metrics({"kind": "train", "step": 1})
    reporter.episode({"policy": "random"})
    assert list(run.path.iterdir()) == []


def test_the_report_is_recomputed_without_torch_or_an_environment(full_run: RunDir) -> None:
    program = (
        "import sys; from pathlib import Path; from ttf.run_dir import RunDir; from ttf_plugins.html import HtmlConfig;"
        "assert 'matplotlib' not in sys.modules;"
        "HtmlConfig().build(RunDir(Path(sys.argv[1]))).finish();"
        "print(sorted({'torch', 'minari', 'gymnasium', 'h5py', 'matplotlib.pyplot'} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", program, str(full_run.path)], capture_output=True, text=True, check=True
    )
    assert done.stdout == "[]\n"
    assert done.stderr == ""
    assert full_run.report.exists()


def test_a_critic_and_baselines_being_trained_have_their_own_picture_and_are_not_the_models_updates(
    full_run: RunDir,
) -> None:
    before = report(full_run)
    learning = [
        {"kind": "learner", "learner": name, "step": 1000 * step, **dict.fromkeys(losses, 1.0 / step)}
        for name, losses in (("critic", ("value_loss", "q_loss", "policy_loss")), ("baseline bc", ("action_loss",)))
        for step in range(1, 90)
    ]
    write_lines(full_run.metrics, [*learning, *read_lines(full_run.metrics)])
    after = report(full_run)
    assert after.tags.count("img") == before.tags.count("img") + 1
    assert "was trained for 5 000 updates" in " ".join(after.text.split())
    assert "Critic and baselines" in after.text


def test_a_run_whose_model_is_not_trained_yet_draws_the_critic_only(full_run: RunDir) -> None:
    write_lines(full_run.metrics, [{"kind": "learner", "learner": "critic", "step": 5, "q_loss": 2.0}])
    page = report(full_run)
    assert "training" in page.sections
    assert "Learning curves" not in page.text
    assert "of 1 012 345 parameters was made" in " ".join(page.text.split())
