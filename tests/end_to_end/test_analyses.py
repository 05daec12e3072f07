"""Every analysis runs with a recipe and on a finished run, and stands in the report."""

from __future__ import annotations

import contextlib
import io
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from tests.end_to_end.test_whole_runs import Workshop, workshop

from ttf.cli.edge import run_cli
from ttf.run_dir import RunDir

if TYPE_CHECKING:
    from collections.abc import Iterator

SMOKE = Path(__file__).parents[2] / "recipes" / "smoke"
ASKED = sorted(file for file in SMOKE.glob("*.yaml") if "\nanalyses:" in file.read_text(encoding="utf-8"))

QUICK = ("environment", "evaluation", "decoder")
ANALYSES = """\
analyses:
  - {kind: prediction_error, steps: 5, starts: 4, rollouts: 2, hidden: 8, layers: 1, updates: 5}
  - {kind: attention, transitions: 3, windows: 8}
  - {kind: discretizer}
"""
TITLES = ["Where the model looks", "What discretizing loses", "How far ahead the model predicts: recorded actions"]


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
    assert last == "Error: analysis 'attention': the model (Markov) has no attention; a gpt has"


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """A local store of data sets that all runs of this file share."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MINARI_DATASETS_PATH", str(tmp_path_factory.mktemp("store")))
        yield


def test_there_are_smoke_recipes_with_analyses() -> None:
    assert ASKED


@pytest.mark.usefixtures("store")
@pytest.mark.parametrize("kind", ["gpt", "lstm", "markov"])
@pytest.mark.parametrize("recipe", ASKED, ids=lambda file: str(file.stem))
def test_every_recipe_is_asked_what_its_kind_of_model_can_answer(
    recipe: Path, kind: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_cli(["run", str(recipe), "--runs-dir", str(tmp_path), "--set", f"model.kind={kind}"]) == 0
    (folder,) = next(path for path in tmp_path.iterdir() if path.name == f"smoke_{recipe.stem}").iterdir()
    answered = [name.removeprefix("analyses/") for name in RunDir(folder).analysed()]
    note = f"analysis 'attention' is left out: the model ({'LSTM' if kind == 'lstm' else 'Markov'}) has no attention"
    assert answered == [*(["attention"] if kind == "gpt" else []), "discretizer", "prediction_error"]
    assert capsys.readouterr().err.count(note) == (kind != "gpt")
    assert RunDir(folder).report.exists()
