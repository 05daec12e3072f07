"""Analysis: a question asked of a finished run, answered in plain data."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch

    from ttf.component import DataConfig
    from ttf.episodes import Rows
    from ttf.findings import Findings
    from ttf.interfaces.discretizer import Discretizer
    from ttf.interfaces.model import SequenceModel
    from ttf.interfaces.progress import Progress

__all__ = ["Analysis", "Subject"]


@dataclass(frozen=True)
class Subject:
    """What a finished run can be asked."""

    data: DataConfig
    """The recipe's data section: discount, stride, dimensions kept."""

    training: Rows
    """Rows of the episodes that were trained on; their layout names the columns."""

    held_out: Rows
    """Rows of the episodes that were not; possibly none."""

    discretizer: Discretizer | None
    """Fitted, on the run's device; None if the recipe has none."""

    model: SequenceModel | None
    """Trained, on the run's device, in evaluation mode and without gradients; None if the recipe has none."""

    device: torch.device

    @property
    def unseen(self) -> Rows:
        """The held-out rows, or those of the training where none were held out."""
        return self.held_out if len(self.held_out.values) else self.training

    @property
    def unseen_name(self) -> str:
        """What :attr:`unseen` is, for captions."""
        return "held-out episodes" if len(self.held_out.values) else "training episodes (none were held out)"


class Analysis(ABC):
    """Answers one question; it changes nothing of what it is given."""

    def check(self, subject: Subject) -> str | None:  # noqa: ARG002  (what most ask, everything can answer)
        """Whether the question can be asked, as far as that is quick; a run asks before anything is trained.

        Args:
            subject: as for :meth:`run`, on the CPU, with the model's weights as they are before training.

        Returns:
            Why models of this kind cannot be asked, where they cannot: a run then leaves the analysis out, says so and
            goes on; ``ttf analyse`` refuses it. None if :meth:`run` can be called.

        Raises:
            DataError: the data cannot answer it.
            RecipeError: another section of the recipe does not fit it.
        """
        return None

    @abstractmethod
    def run(self, subject: Subject, *, seed: int, progress: Progress) -> Findings:
        """Ask the question.

        Args:
            subject: has what the configuration's ``requires`` names, and has passed :meth:`check`.
            seed: where all randomness comes from.
            progress: told how far the analysis is.

        Raises:
            DataError: the data cannot answer it.
            RecipeError: the model cannot.
        """
