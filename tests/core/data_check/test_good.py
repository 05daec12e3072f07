"""Good data sets give no warning, and what is said of them is what plain loops find."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING

import gymnasium
import numpy as np
import pytest
import torch
from tests.core.data_check.faults import FAULTS
from tests.core.data_check.planted import good, report_of

from ttf.data_check.alignment import explained_shares
from ttf.data_check.check import check_data
from ttf.data_check.ends import CAP, JUMP_DEVIATIONS
from ttf.data_check.report import listed, share
from ttf.data_check.structure import SHIPPED_LEAST, SHIPPED_MOST
from ttf.data_check.values import uniform_use
from ttf.interfaces.data import Episode
from ttf.layout import Layout
from ttf.minari_write import create
from ttf.observations import ObservationRule
from ttf.plurals import counted
from ttf.recipe import Recipe, load
from ttf.recording import Recording
from ttf.testing.quiet import Quiet
from ttf_plugins.gpt import GPTConfig
from ttf_plugins.minari import MinariConfig
from ttf_plugins.pointmaze_waypoints import PointMazeWaypointsConfig
from ttf_plugins.quantile import QuantileConfig
from ttf_plugins.uniform import UniformConfig

if TYPE_CHECKING:
    from ttf.component import DiscretizerConfig
    from ttf.data_check.report import Report
    from ttf.registry import Registry

ROOT = Path(__file__).parents[3]


def warnings(report: Report) -> list[str]:
    return [finding.name for finding in report.findings if finding.level != "note"]


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("place", ["Pendulum-v1", None])
def test_a_good_data_set_gives_no_warning(seed: int, place: str | None) -> None:
    assert warnings(report_of(good(seed=seed), place)) == []


@pytest.mark.parametrize("discretizer", [QuantileConfig(), UniformConfig(), UniformConfig(bins=24)])
def test_a_good_data_set_and_a_recipe_that_fits_it_give_no_warning(discretizer: DiscretizerConfig) -> None:
    assert warnings(report_of(good(), discretizer=discretizer, model=GPTConfig(context=10))) == []


def test_data_that_minari_records_in_an_environment_gives_no_warning(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MINARI_DATASETS_PATH", str(tmp_path))
    environment = gymnasium.make("Pendulum-v1")
    environment.action_space.seed(0)
    buffers = []
    for seed in range(60):
        recording = Recording(environment, ObservationRule(), seed)
        while recording.step(environment.action_space.sample()):
            pass
        buffers.append(recording.buffer())
    create("mine/pendulum-v0", environment, buffers, algorithm="random", description="Random actions.")
    report = check_data(Recipe(name="x", data=MinariConfig(dataset="mine/pendulum-v0")), Quiet())
    assert [(finding.name, finding.level) for finding in report.findings] == [("few-transitions", "note")]
    assert report.summary["environment"] == {
        "id": "Pendulum-v1",
        "step_limit": 200,
        "action_low": [-2.0],
        "action_high": [2.0],
    }


def test_data_that_ttf_collects_gives_no_warning(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MINARI_DATASETS_PATH", str(tmp_path))
    data = PointMazeWaypointsConfig(maze="open", steps=14_000)
    assert warnings(check_data(Recipe(name="x", data=data), Quiet())) == []


def test_the_summary_is_what_loops_find() -> None:
    episodes = good()
    summary = report_of(episodes).summary
    lengths = sorted(len(episode) for episode in episodes)
    returns = [float(episode.rewards.astype(float).sum()) for episode in episodes]
    assert (summary["episodes"], summary["usable"], summary["transitions"]) == (120, 120, sum(lengths))
    assert summary["terminated"] == sum(episode.terminated for episode in episodes) == 120 - summary["cut_off"]
    assert summary["length"]["median"] == (lengths[59] + lengths[60]) / 2
    assert (summary["return"]["min"], summary["return"]["max"]) == pytest.approx((min(returns), max(returns)))
    assert summary["return"]["quartiles"] == pytest.approx(np.percentile(returns, [25, 50, 75]))
    assert summary["value_horizon"] == pytest.approx(100)


def test_the_columns_are_what_loops_find() -> None:
    episodes = good()
    column = report_of(episodes, discretizer=QuantileConfig(bins=7)).columns[1]
    values = [float(row[1]) for episode in episodes for row in episode.observations]
    mean = sum(values) / len(values)
    deviation = (sum((value - mean) ** 2 for value in values) / len(values)) ** 0.5
    assert column.name == "observation[1]"
    assert (column.low, column.high, column.used_bins) == (min(values), max(values), 7)
    assert (column.mean, column.deviation) == pytest.approx((mean, deviation), rel=1e-4)
    fitted = QuantileConfig(bins=7).build(Layout(1, 1))
    rows = torch.tensor(values)[:, None].expand(-1, 4)
    fitted.fit(rows)
    errors = [abs(a - b) for a, b in zip(values, fitted.decode(fitted.encode(rows))[:, 0].tolist(), strict=True)]
    assert column.error == pytest.approx(100 * sum(errors) / len(errors) / deviation, rel=1e-4)


def test_the_report_is_json() -> None:
    report = report_of(good(), None, discretizer=QuantileConfig())
    document = json.loads(json.dumps(report.as_json(), allow_nan=False))
    assert list(document) == ["data", "summary", "columns", "findings"]
    assert set(document["findings"][0]) == {"name", "level", "what", "where", "advice"}
    assert document["summary"]["environment"] is None


def test_the_sizes_it_compares_with_are_those_of_the_shipped_recipes(builtin_registry: Registry) -> None:
    recipes = [load(file, builtin_registry) for file in sorted((ROOT / "recipes").glob("*.yaml"))]
    steps: list[int] = [getattr(recipe.data, "steps", SHIPPED_LEAST) for recipe in recipes]
    assert (min(steps), max(steps)) == (SHIPPED_LEAST, SHIPPED_MOST)


def test_unrelated_observations_are_further_apart_than_a_jump_must_be() -> None:
    first, second = np.random.default_rng(0).normal(size=(2, 100_000))
    assert np.abs(first - second).mean() == pytest.approx(1.13, abs=0.01)
    assert np.abs(first - second).clip(max=CAP).mean() > JUMP_DEVIATIONS


def test_the_use_of_bins_is_what_its_threshold_says() -> None:
    random = np.random.default_rng(0)
    normal = random.normal(size=1_000_000)
    inside = normal[np.abs(normal) < 5]
    inside[:2] = -5, 5
    assert uniform_use(inside.astype(np.float32)) == pytest.approx(0.41, abs=0.01)
    outlier = np.append(normal, 100).astype(np.float32)
    assert uniform_use(outlier) == pytest.approx(0.04, abs=0.01)


def test_actions_that_follow_from_observations_are_not_judged() -> None:
    def answering(episode: Episode) -> Episode:
        return Episode(episode.observations, -episode.observations[:, :1], episode.rewards, episode.terminated)

    assert explained_shares([answering(episode) for episode in good()]) is None


def test_a_data_set_that_is_too_small_is_not_judged() -> None:
    first = good(1)[0]
    assert explained_shares(good(3)) is not None
    assert explained_shares([Episode(first.observations[:50], first.actions[:50], first.rewards[:50], False)]) is None


@pytest.mark.parametrize(("value", "text"), [(0.5, "50%"), (0.0042, "0.4%"), (0.999, "99.9%"), (0.0, "0%")])
def test_shares_have_the_digits_that_say_something(value: float, text: str) -> None:
    assert share(value) == text


def test_long_lists_are_cut_and_counts_are_words() -> None:
    assert listed(range(5)) == "0, 1, 2, 3, 4"
    assert listed(range(7)) == "0, 1, 2, 3, 4 and 2 more"
    assert (counted(1, "step"), counted(1200, "step")) == ("1 step", "1,200 steps")


def test_every_finding_stands_on_the_page_on_own_data() -> None:
    sources = (ROOT / "core" / "ttf" / "data_check").glob("*.py")
    text = "".join(file.read_text(encoding="utf-8") for file in sources)
    named = set(re.findall(r'Finding\(\s*"([a-z-]+)"', text))
    page = (ROOT / "docs" / "own_data.md").read_text(encoding="utf-8").partition("| finding |")[2]
    assert named == {fault.name.partition("/")[0] for fault in FAULTS}
    assert set(re.findall(r"^\| `([a-z-]+)` \|", page, re.MULTILINE)) == named
