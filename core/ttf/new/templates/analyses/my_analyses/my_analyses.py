"""Compare the columns of training and of held-out episodes."""

from __future__ import annotations

from typing import TYPE_CHECKING, final

import numpy as np
from ttf.findings import Findings, Table
from ttf.interfaces.analysis import Analysis

if TYPE_CHECKING:
    from ttf.interfaces.analysis import Subject
    from ttf.interfaces.progress import Progress

COLUMNS = ["column", "mean", "deviation", "mean, held out", "distance in deviations"]


@final
class MyAnalyses(Analysis):
    """Asks for means and deviations; an analysis that asks the model finds it in ``subject.model``."""

    def run(self, subject: Subject, *, seed: int, progress: Progress) -> Findings:  # noqa: ARG002  (nothing is random)
        """Compare the means of every column."""
        training, unseen = subject.training.values, subject.unseen.values  # (N, D) both
        mean, deviation, other = training.mean(axis=0), training.std(axis=0), unseen.mean(axis=0)
        distance = np.abs(other - mean) / deviation.clip(min=1e-6)
        names = subject.training.layout.names
        numbers = zip(mean.tolist(), deviation.tolist(), other.tolist(), distance.tolist(), strict=True)
        rows = [[name, *found] for name, found in zip(names, numbers, strict=True)]
        farthest = int(distance.argmax())
        return Findings(
            title="Are held-out episodes alike?",
            text=f"Means of every column on training episodes and on {subject.unseen_name}. They differ most in "
            f"{names[farthest]}, by {float(distance[farthest]):.2g} deviations.",
            tables=[Table("Column by column", "Means and deviations, in the units of the data.", COLUMNS, rows)],
        )
