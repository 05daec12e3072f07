"""Every analysis runs with a recipe and on a finished run, and stands in the report."""

from __future__ import annotations

import contextlib
import io
from typing import TYPE_CHECKING

import pytest
from tests.end_to_end.test_whole_runs import Workshop, workshop

from ttf.cli.edge import run_cli

if TYPE_CHECKING:
    from pathlib import Path

QUICK = ("environment", "evaluation", "decoder")
ANALYSES = """\
analyses:
  - {kind: prediction_error, steps: 5, starts: 4, rollouts: 2, hidden: 8, layers: 1, updates: 5}
  - {kind: attention, transitions: 3, windows: 8}
  - {kind: discretizer}
"""
TITLES = ["Where the model looks", "What discretizing loses", "How far ahead the model predicts"]


@pytest.fixture
def trained(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Workshop:
    """A run that is trained only."""
    monkeypatch.setenv("TTF_PLUGINS", "trajectory-transformer")
    made = workshop(tmp_path)
    left_out = (*QUICK, "baselines")
    lines = made.recipe.read_text().splitlines(keepends=True)
    made.recipe.write_text("".join(line for line in lines if not line.startswith(left_out)))
    return made


def output(*arguments: str) -> str:
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        assert run_cli(arguments) == 0
    return out.getvalue()


def test_analyses_of_a_recipe_and_of_its_finished_run_find_the_same(trained: Workshop) -> None:
    plain = trained.recipe.read_text()
    trained.recipe.write_text(plain + ANALYSES)
    output(*trained.arguments())
    whole = trained.run
    trained.recipe.write_text(plain.replace("name: pendulum", "name: later"))
    output(*trained.arguments())
    (later,) = (trained.path / "runs" / "later").iterdir()
    listed = ANALYSES.partition(":\n")[2].replace("  - ", "").replace("\n", ", ")
    assert output("analyse", str(later), "--set", f"analyses=[{listed}]") == f"report: {later / 'report.html'}\n"
    names = [f"{name}.json" for name in ("attention", "discretizer", "prediction_error")]
    assert sorted(file.name for file in whole.analyses.iterdir()) == names
    for name in whole.analysed():
        other = type(whole)(later).read(name)
        assert other["findings"] == whole.read(name)["findings"]
    for page in (whole.report, later / "report.html"):
        text = page.read_text()
        assert [title for title in TITLES if f"<h3>{title}</h3>" in text] == TITLES


def test_a_kind_that_is_not_listed_is_run_with_its_defaults(
    trained: Workshop, capfd: pytest.CaptureFixture[str]
) -> None:
    output(*trained.arguments())
    output("analyse", str(trained.run.path), "--kind", "attention", "--kind", "discretizer")
    assert trained.run.analysed() == ["analyses/attention", "analyses/discretizer"]
    assert trained.run.read("analyses/attention")["config"]["windows"] == 256
    assert run_cli(["analyse", str(trained.run.path), "--kind", "prediction_error"]) == 3
    assert capfd.readouterr().err.splitlines()[-1] == (
        "Error: prediction_error: no episode is long enough: 2 transitions of history, a start and 100 steps need 103 "
        "recorded steps, the longest of the held-out episodes has 20; lower steps"
    )


def test_a_model_without_attention_is_told_so(trained: Workshop, capfd: pytest.CaptureFixture[str]) -> None:
    output(*trained.arguments("--set", "model={kind: markov, width: 8, layers: 1}"))
    assert run_cli(["analyse", str(trained.run.path), "--kind", "attention"]) == 2
    last = capfd.readouterr().err.splitlines()[-1]
    assert last == "Error: attention: the model, a Markov, has none; a gpt has"
