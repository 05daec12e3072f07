"""ttf analyse says in one line what it cannot do."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ttf.cli.edge import run_cli

if TYPE_CHECKING:
    from pathlib import Path

RECIPE = "name: x\ndata: {kind: minari}\nanalyses: []\n"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("TTF_PLUGINS", "trajectory-transformer")
    (tmp_path / "recipe.yaml").write_text(RECIPE)
    return tmp_path


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ([], "{folder}: its recipe lists no analyses; choose one with --kind; known: {known}"),
        (["--kind", "discretiser"], "--kind discretiser: unknown kind; did you mean 'discretizer'?; known: {known}"),
        (["--set", "seed=1"], "--set seed=1: of a finished run, only 'analyses' can be changed"),
        (
            ["--set", "analyses.0.kind=discretizer"],
            "--set analyses.0.kind=discretizer: analyses 'discretizer' needs a 'discretizer' section",
        ),
        (
            ["--kind", "discretizer"],
            "{folder}: analysis 'discretizer' needs a 'discretizer' section, and this run has none",
        ),
    ],
)
def test_what_is_wrong_is_said_in_a_line(
    options: list[str], message: str, folder: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    assert run_cli(["analyse", str(folder), *options]) == 2
    known = "attention, discretizer, prediction_error"
    assert capfd.readouterr() == ("", f"Error: {message.format(folder=folder, known=known)}\n")


def test_a_folder_that_is_no_run_is_refused(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert run_cli(["analyse", str(tmp_path)]) == 2
    assert capfd.readouterr().err == f"Error: {tmp_path}: not a run folder; it has no recipe.yaml\n"
