"""Reconstruction error, dead bins and entropy of the discretizer."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, final

from ttf.findings import BarFigure, Bars, Findings, Table
from ttf.interfaces.analysis import Analysis
from ttf.reconstruction import reconstruction

if TYPE_CHECKING:
    from ttf.interfaces.analysis import Subject
    from ttf.interfaces.discretizer import Discretizer
    from ttf.interfaces.progress import Progress

_COLUMNS = ["column", "live bins", "dead bins", "lowest", "highest", "mean error, %", "largest error, %"]
_COLUMNS += ["entropy, bits", "outside"]


@final
class DiscretizerAnalysis(Analysis):
    """Encodes and decodes rows."""

    def run(self, subject: Subject, *, seed: int, progress: Progress) -> Findings:  # noqa: ARG002  (nothing is random)
        """Compare values with what their tokens decode to, on training rows and on unseen ones."""
        discretizer = subject.discretizer
        assert discretizer is not None  # noqa: S101  (required)
        trained = reconstruction(discretizer, subject.training, None)
        unseen = reconstruction(discretizer, subject.unseen, subject.unseen)
        for record, fitted in zip(unseen, trained, strict=True):
            record |= {name: fitted[name] for name in ("low", "high", "range")}
        sources = {"training episodes": trained}
        if len(subject.held_out.values):
            sources["held-out episodes"] = unseen
        return Findings(
            title="What discretizing loses",
            text=_summary(discretizer, unseen, subject),
            tables=[_table(unseen, subject)],
            bars=[_errors(sources), _entropies(sources)],
        )


def _summary(discretizer: Discretizer, unseen: list[dict[str, Any]], subject: Subject) -> str:
    worst = max(unseen, key=_mean_error)
    dead, count = sum(record["dead"] for record in unseen), discretizer.bins * len(unseen)
    outside = sum(record["clipped_validation"] for record in unseen)
    values = len(subject.unseen.values) * len(unseen)
    return (
        f"Every value of {subject.unseen_name} is encoded as a token and decoded again. The mean error is largest for "
        f"{worst['name']}, {_mean_error(worst):.2g} % of its range. Of {count:,} bins {dead:,} are dead: no training "
        f"value falls into them. {outside:,} of {values:,} values lie outside the bins and are clipped."
    )


def _mean_error(record: dict[str, Any]) -> float:
    return _percent(record, "error_mean")


def _percent(record: dict[str, Any], error: str) -> float:
    return 100 * record[error] / record["range"] if record["range"] > 0 else 0.0


def _table(records: list[dict[str, Any]], subject: Subject) -> Table:
    return Table(
        "Column by column",
        "Lowest and highest value of the training data; errors in percent of the range between them, entropy of the "
        f"tokens, and how many values lie outside the bins, on {subject.unseen_name}.",
        _COLUMNS,
        [
            [
                record["name"],
                record["live"],
                record["dead"],
                record["low"],
                record["high"],
                _mean_error(record),
                _percent(record, "error_max"),
                record["entropy_bits"],
                record["clipped_validation"],
            ]
            for record in records
        ],
    )


def _errors(sources: dict[str, list[dict[str, Any]]]) -> BarFigure:
    return BarFigure(
        "Reconstruction error",
        "Mean difference between a value and what its token decodes to.",
        "mean error, % of the column's range",
        _names(sources),
        [Bars(name, [_mean_error(record) for record in records]) for name, records in sources.items()],
    )


def _entropies(sources: dict[str, list[dict[str, Any]]]) -> BarFigure:
    records = next(iter(sources.values()))
    most = Bars("if all live bins were equally likely", [math.log2(max(1, record["live"])) for record in records])
    return BarFigure(
        "Entropy of the tokens",
        "How much a column's token says, if nothing else is known; at most the logarithm of the number of live bins.",
        "bits",
        _names(sources),
        [*(Bars(name, [record["entropy_bits"] for record in found]) for name, found in sources.items()), most],
    )


def _names(sources: dict[str, list[dict[str, Any]]]) -> list[str]:
    return [record["name"] for record in next(iter(sources.values()))]
