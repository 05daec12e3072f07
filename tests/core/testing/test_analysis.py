"""The checker of analyses finds broken ones."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Literal

import pytest
import torch
from tests.core.testing.broken import MEDDLING, complaint, every_meddling, meddling_in, replacing, spoiled

from ttf.component import AnalysisConfig
from ttf.findings import Findings, Table
from ttf.interfaces.analysis import Analysis
from ttf.testing import check_analysis

if TYPE_CHECKING:
    from collections.abc import Callable

    from ttf.interfaces.analysis import Subject
    from ttf.interfaces.progress import Progress


class MeansConfig(AnalysisConfig):
    """The mean of every column, of the model's weights and of some random numbers."""

    requires: ClassVar[tuple[str, ...]] = ("model",)

    kind: Literal["means"] = "means"

    def build(self) -> Analysis:
        return Means()


class SilentMeansConfig(MeansConfig):
    """Does not say what it needs."""

    requires: ClassVar[tuple[str, ...]] = ("discretizer",)


class Means(Analysis):
    def run(self, subject: Subject, *, seed: int, progress: Progress) -> Findings:
        noise = float(torch.randn((), generator=torch.Generator().manual_seed(seed)))
        weights = float(next(subject.model.parameters()).detach().mean())  # type: ignore[union-attr]  # required
        with progress.task("means", 1) as task:
            means = subject.unseen.values.mean(0).tolist()
            task.advance()
        table = Table("Means", "Of everything.", ["what", "mean"], [["noise", noise], ["weights", weights]])
        rows = [[name, mean] for name, mean in zip(subject.training.layout.names, means, strict=True)]
        return Findings("Means", "There are means.", tables=[table, Table("Columns", "", ["name", "mean"], rows)])


def asking(change: Callable[[Subject], object]) -> MeansConfig:
    """An analysis that does something to its subject first."""

    def run(method: Callable[..., Findings], subject: Subject, **kwargs: Any) -> Findings:  # noqa: ANN401
        change(subject)
        return method(subject, **kwargs)

    return spoiled(MeansConfig(), replacing("run", run))


def checking(answer: Callable[[Subject], str | None]) -> MeansConfig:
    """An analysis with a check of its own."""
    return spoiled(MeansConfig(), replacing("check", lambda _, subject: answer(subject)))


def finding(change: Callable[[Findings], Findings]) -> MeansConfig:
    """An analysis whose findings are changed."""
    return spoiled(MeansConfig(), replacing("run", lambda method, *args, **kwargs: change(method(*args, **kwargs))))


def with_cell(cell: Any) -> MeansConfig:  # noqa: ANN401  (what does not belong there)
    table = Table("Cells", "", ["name", "value"], [["it", cell]])
    return finding(lambda found: Findings(found.title, found.text, [*found.tables, table]))


def remembering(analysis: Means) -> None:
    """Tells how often it was asked."""
    asked: list[object] = []

    def run(method: Callable[..., Findings], *args: Any, **kwargs: Any) -> Findings:  # noqa: ANN401
        found = method(*args, **kwargs)
        asked.append(found)
        return Findings(found.title, f"Asked {len(asked)} times.", found.tables)

    replacing("run", run)(analysis)


def impatient(subject: Subject) -> None:
    """Needs longer episodes, and finds out late."""
    subject.unseen.starts(5, 1)[0]


def test_a_correct_analysis_passes() -> None:
    check_analysis(MeansConfig())


@pytest.mark.parametrize(
    ("config", "message"),
    [
        (SilentMeansConfig(), "run fails without a model, which requires does not name: AttributeError("),
        (finding(lambda found: Findings("", found.text)), "the findings have no title; a report puts it above them"),
        (finding(lambda found: Findings(found.title, "")), "the findings have no text; say in a paragraph what was"),
        (with_cell(torch.tensor(1.0)), "the findings cannot be saved: Object of type Tensor is not JSON serializable"),
        (with_cell({1, 2}), "the findings cannot be saved: Object of type set is not JSON serializable"),
        (
            spoiled(MeansConfig(), remembering),
            "equal seeds find other things; draw from the seed only, and keep nothing from one run to the next",
        ),
        (asking(lambda subject: subject.training.values.fill(3)), "run changed training.values; an analysis changes"),
        (asking(lambda subject: subject.held_out.goals.fill(3)), "run changed held_out.goals; an analysis changes"),
        (asking(lambda subject: subject.discretizer.edges.zero_()), "run changed the discretizer's edges; an analysis"),  # type: ignore[union-attr,operator]
        (asking(lambda subject: subject.model.table.zero_()), "run changed the model's table; an analysis changes"),  # type: ignore[union-attr,operator]
        (asking(lambda subject: subject.model.train()), "run left the model in training mode; it came in evaluation"),  # type: ignore[union-attr]
        (
            asking(lambda subject: subject.model.requires_grad_()),  # type: ignore[union-attr]
            "run left parameters of the model with gradients; they came without",
        ),
        (asking(impatient), "with episodes of two steps, IndexError("),
        (checking(lambda _: "not today"), "check refuses a model that offers all that models may: 'not today'; return"),
        (checking(lambda subject: subject.training.values.fill(3)), "check changed training.values; an analysis"),
        (asking(lambda subject: subject.held_out.values[0]), "without held-out episodes, IndexError("),
    ],
)
def test_a_broken_analysis_is_found_out(config: MeansConfig, message: str) -> None:
    assert complaint(lambda: check_analysis(config)).startswith(message)


@pytest.mark.parametrize("method", ["check", "run"])
@every_meddling
def test_an_analysis_that_meddles_is_found_out(meddling: str, method: str) -> None:
    config = spoiled(MeansConfig(), meddling_in(method, meddling))
    assert complaint(lambda: check_analysis(config)).startswith(f"{method} {MEDDLING[meddling][1]}")
