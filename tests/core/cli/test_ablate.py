"""ttf ablate, with its cells as processes."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING

from ttf.cli.edge import run_cli

if TYPE_CHECKING:
    import pytest

SMOKE = str(Path(__file__).parents[3] / "recipes" / "smoke" / "pointmaze_beam_search.yaml")
ABLATE = ("ablate", SMOKE, "--set", "reporters=[{kind: html}]", "--set", "launcher={kind: local, slots: 2}")
SWAPS = ("--swap", "decoder.beam_width=2,3", "--swap", "data=pointmaze_waypoints,d4rl_hdf5", "--seeds", "1")
NO_SUCH = "{kind: minari, dataset: no/such-v0, download: false}"


def test_a_study_runs_says_what_has_failed_and_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "halfcheetah_medium-v2.hdf5").write_text("no HDF5")
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "80")
    runs = tmp_path / "runs"
    options = (*SWAPS, "--runs-dir", str(runs))

    assert run_cli((*ABLATE, *options, "--dry-run")) == 0
    out = capsys.readouterr().out
    assert "4 trials of 4 episodes; 2 parts to train, of 4 that they need" in out
    assert "Data is not looked at" in out
    assert not runs.exists()

    assert run_cli((*ABLATE, *options)) == 6
    out, err = capsys.readouterr()
    assert "2 of 4 trials failed" in err.splitlines()[-1]
    assert "halfcheetah_medium-v2.hdf5: cannot be read as HDF5" in err.splitlines()[-1]
    folder = next((runs / "studies" / "smoke_pointmaze_beam_search").iterdir())
    comparison = json.loads((folder / "comparison.json").read_text())
    assert [cell["name"] for cell in comparison["cells"]] == [
        "decoder.beam_width=2, data=pointmaze_waypoints",
        "decoder.beam_width=3, data=pointmaze_waypoints",
    ]
    assert len(comparison["failures"]) == 2
    assert str(folder / "comparison.html") in out.replace("\n", "")
    assert "…" not in out
    assert (folder / "comparison.html").exists()
    assert len(list((runs / ".stages").glob("model-*/stage.json"))) == 1, "one model for all"

    before = {file: file.read_text() for file in folder.glob("cells/*/*/result.json")}
    assert len(before) == 2
    assert run_cli((*ABLATE, *options, "--resume")) == 6
    finished = {file: file.stat().st_mtime for file in before}
    assert max(finished.values()) < min(log.stat().st_mtime for log in folder.glob("logs/*d4rl*/*.log"))
    assert len(list((runs / "studies" / "smoke_pointmaze_beam_search").iterdir())) == 1

    assert run_cli((*ABLATE, *options, "--dry-run", "--resume")) == 0
    out = re.sub(r"\x1b\[[0-9;]*m", "", capsys.readouterr().out)
    assert "2 of 4 trials missing; 1 part to train, of 2 that they need" in out
    assert re.search(r"^2, pointmaze_waypoints \(as given\) +- +- *$", out, re.MULTILINE)
    assert len(re.findall(r"seed 0 +1 (train|shared) *$", out, re.MULTILINE)) == 2

    again = ("ablate", str(folder / "recipe.yaml"), "--dry-run", "--runs-dir", str(runs))
    assert run_cli(again) == 0
    assert "4 trials of 4 episodes; 1 part to train, of 4 that they need" in capsys.readouterr().out


def test_a_study_of_which_all_has_failed_shows_no_table(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    damaged = tmp_path / "damaged.hdf5"
    damaged.write_text("no HDF5")
    data = ("--set", f"data={{kind: d4rl_hdf5, path: '{damaged}'}}", "--seeds", "1")
    assert run_cli((*ABLATE, *data, "--runs-dir", str(tmp_path / "runs"))) == 6
    out, err = capsys.readouterr()
    assert out == ""
    assert err.splitlines()[-1].startswith("Error: 1 of 1 trial failed, as given, seed 0 first: ")


def test_what_a_cell_needs_and_is_not_there_is_said_before_anything_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("MINARI_DATASETS_PATH", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    swaps = ("--swap", f"data=pointmaze_waypoints,{NO_SUCH},d4rl_hdf5", "--swap", "decoder.beam_width=2,3")
    for dry in ((), ("--dry-run",)):
        assert run_cli((*ABLATE, *swaps, "--set", "environment.id=NoSuch-v3", *dry)) == 3
        lines = capsys.readouterr().err.splitlines()
        assert lines[-4] == "Error: 3 problems"
        assert lines[-3].startswith(
            "data=pointmaze_waypoints, decoder.beam_width=2: environment 'NoSuch-v3' is not registered"
        )
        assert lines[-2].startswith(f"data={NO_SUCH}, decoder.beam_width=2: Minari data set 'no/such-v0' is not in the")
        assert lines[-1].startswith(f"data=d4rl_hdf5, decoder.beam_width=2: {tmp_path}")
        assert lines[-1].endswith(": no such file")
    assert not (tmp_path / "runs").exists()


def test_a_swap_that_is_wrong_is_one_clear_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    runs = ("--runs-dir", str(tmp_path / "runs"))
    assert run_cli((*ABLATE, "--swap", "discretiser=uniform,quantile", *runs)) == 2
    assert "did you mean 'discretizer'" in capsys.readouterr().err
    assert run_cli((*ABLATE, "--swap", "discretizer=uniform,quantil", *runs)) == 2
    message = capsys.readouterr().err
    assert message.startswith("Error: --swap discretizer=uniform,quantil: discretizer.kind: unknown kind")
    assert "did you mean 'quantile'" in message
    assert run_cli((*ABLATE, "--resume", *runs)) == 2
    assert "nothing to resume" in capsys.readouterr().err
    assert not (tmp_path / "runs" / "studies").exists()
