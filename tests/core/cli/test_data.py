"""ttf data check prints a report, or JSON, and ends with 3 if there are errors."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import gymnasium
import h5py
import numpy as np
import pytest
from minari.data_collector import EpisodeBuffer
from tests.core.data_check.planted import good

from ttf.cli.edge import run_cli
from ttf.minari_write import create

if TYPE_CHECKING:
    from ttf.interfaces.data import Episode

RECIPE = """
name: mine
data: {kind: minari, dataset: mine/spring-v0}
discretizer: {kind: quantile, bins: 4000}
model: {kind: markov, context: 2}
training: {steps: 10}
"""


@pytest.fixture(autouse=True)
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty Minari store, and the built-in plugins only."""
    monkeypatch.setenv("TTF_PLUGINS", "trajectory-transformer")
    monkeypatch.setenv("MINARI_DATASETS_PATH", str(tmp_path / "store"))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "store").mkdir()
    return tmp_path / "store"


def minari_data(episodes: list[Episode], name: str = "mine/spring-v0") -> None:
    buffers = [
        EpisodeBuffer(
            observations=np.vstack([one.observations, one.final_observation]),  # type: ignore[list-item]  # it is there
            actions=one.actions,
            rewards=one.rewards.astype(np.float64),
            terminations=np.arange(len(one)) == (len(one) - 1 if one.terminated else -1),
            truncations=np.arange(len(one)) == (-1 if one.terminated else len(one) - 1),
        )
        for one in episodes
    ]
    create(name, gymnasium.make("Pendulum-v1"), buffers, algorithm="noise", description="A point on a spring.")


def hdf5_data(file: Path, episodes: list[Episode]) -> None:
    ends = np.cumsum([len(one) for one in episodes]) - 1
    with h5py.File(file, "w") as written:
        for name in ("observations", "actions", "rewards"):
            written[name] = np.concatenate([getattr(one, name) for one in episodes])
        for name, terminated in (("terminals", True), ("timeouts", False)):
            flags = np.zeros(ends[-1] + 1, dtype=bool)
            flags[[end for end, one in zip(ends, episodes, strict=True) if one.terminated is terminated]] = True
            written[name] = flags


def checked(*arguments: str, expected: int = 0) -> None:
    assert run_cli(["data", "check", *arguments]) == expected


def as_json(capfd: pytest.CaptureFixture[str]) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(capfd.readouterr().out)
    return document


def test_a_good_data_set_is_described_and_given_its_one_note(capfd: pytest.CaptureFixture[str]) -> None:
    minari_data(good())
    checked("mine/spring-v0")
    out, err = capfd.readouterr()
    lines = [line.strip() for line in out.splitlines() if line.strip(" ─")]
    assert lines[:7] == [
        "mine/spring-v0",
        "episodes      120: 82 terminated, 38 cut off",
        "transitions   15,668 of 3 + 1 dimensions",
        "length        21 to 200 steps, median 130",
        lines[4],
        "discount      0.99: values look 100 steps ahead",
        "environment   Pendulum-v1, 200 steps at most",
    ]
    assert lines[4].startswith("return        -")
    assert lines[7].split() == ["column", "lowest", "highest", "mean", "deviation"]
    names = [line.split()[0] for line in lines[8:14]]
    assert names == ["observation[0]", "observation[1]", "observation[2]", "action[0]", "reward", "value"]
    assert [" ".join(line.split()) for line in lines[14:]] == [
        "note 15,668 transitions; the shipped recipes have 120,000 to 1,000,000",
        "where: 120 episodes",
        "do: record more, or take fewer bins, a smaller model and fewer columns (data.observation_dims) "
        "(few-transitions)",
        "1 note",
    ]
    assert err == ""


def test_a_recipe_is_checked_with_its_discretizer_and_overrides(capfd: pytest.CaptureFixture[str]) -> None:
    minari_data(good())
    Path("mine.yaml").write_text(RECIPE, encoding="utf-8")
    checked("mine.yaml", "--json")
    assert [(one["name"], one["level"]) for one in as_json(capfd)["findings"]] == [
        ("few-per-bin", "warning"),
        ("few-transitions", "note"),
    ]
    checked("mine.yaml", "--json", "--set", "discretizer.bins=100", "--set", "data.discount=0.5")
    document = as_json(capfd)
    assert [one["name"] for one in document["findings"]] == ["few-transitions", "discount"]
    assert document["columns"][0]["used_bins"] == 100


def test_a_file_of_d4rl_is_checked(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    hdf5_data(tmp_path / "mine.hdf5", good())
    checked("mine.hdf5", "--json")
    document = as_json(capfd)
    assert (document["data"], document["summary"]["episodes"]) == ("mine.hdf5", 120)
    assert [one["name"] for one in document["findings"]] == ["environment", "few-transitions"]
    checked("mine.hdf5", "--json", "--set", "data.environment=Pendulum-v1")
    assert [one["name"] for one in as_json(capfd)["findings"]] == ["few-transitions"]


def test_errors_end_with_3_after_the_report(capfd: pytest.CaptureFixture[str]) -> None:
    episodes = good()
    episodes[3].observations[17, 2] = np.nan
    minari_data(episodes)
    checked("mine/spring-v0", expected=3)
    out, err = capfd.readouterr()
    assert "episodes      120, of which 1 cannot be used: 8" in out
    assert "error  1 value is NaN or infinite: 1 in observations" in out
    assert "where: episode 3; the first: episode 3, step 17: observations[2] is nan" in " ".join(out.split())
    assert err == "Error: mine/spring-v0: 1 error; this data cannot be learned from\n"
    checked("mine/spring-v0", "--json", expected=3)
    assert as_json(capfd)["findings"][0]["level"] == "error"


def test_a_data_set_without_a_usable_episode_is_described_as_far_as_it_goes(capfd: pytest.CaptureFixture[str]) -> None:
    episodes = good(2)
    for one in episodes:
        one.observations.fill(np.nan)
    minari_data(episodes)
    checked("mine/spring-v0", expected=3)
    out = capfd.readouterr().out
    assert out.startswith("mine/spring-v0\n  episodes      2, of which 2 cannot be used\n")
    checked("mine/spring-v0", "--json", expected=3)
    assert as_json(capfd)["summary"] == {"episodes": 2, "usable": 0}


@pytest.mark.parametrize(
    ("argument", "code", "message"),
    [
        ("mine/sprang-v0", 3, "Minari data set 'mine/sprang-v0' is not in the local store ("),
        (
            "pointmaze_beam_serch",
            2,
            "pointmaze_beam_serch: no such file, shipped recipe or data set of the local ",
        ),
        ("none.yaml", 2, "none.yaml: no such file\n"),
        ("none.hdf5", 3, "none.hdf5: no such file\n"),
        ("a b-v0", 2, "Error: a b-v0: data.dataset: must be of the form "),
    ],
)
def test_what_is_not_there_is_one_line(
    argument: str, code: int, message: str, capfd: pytest.CaptureFixture[str]
) -> None:
    minari_data(good(3))
    checked(argument, expected=code)
    out, err = capfd.readouterr()
    assert out == ""
    assert message in err
    assert err.count("\n") == 1


def test_a_mistake_in_an_override_is_named() -> None:
    checked("mine/spring-v0", "--set", "data.discont=0.5", expected=2)


def test_many_columns_are_cut_in_the_table_but_not_in_json(capfd: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    episodes = [
        type(one)(np.tile(one.observations, (1, 20)), one.actions, one.rewards, one.terminated) for one in good()
    ]
    hdf5_data(tmp_path / "wide.hdf5", episodes)
    checked("wide.hdf5")
    assert "  and 23 more columns; --json has all\n" in capfd.readouterr().out
    checked("wide.hdf5", "--json")
    assert len(as_json(capfd)["columns"]) == 63
