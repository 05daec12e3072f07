"""Roll out the model, its Markovian variant and an ensemble from the same starts, and compare."""

from __future__ import annotations

from typing import TYPE_CHECKING, final

from ttf.errors import DataError
from ttf.interfaces.analysis import Analysis
from ttf_plugins.prediction_error.ensemble import EnsemblePredictor, data_range, far_range, pairs_of, train
from ttf_plugins.prediction_error.question import ask
from ttf_plugins.prediction_error.results import BOUNDED, ENSEMBLE, findings
from ttf_plugins.prediction_error.sequence import SequencePredictor

if TYPE_CHECKING:
    from torch import Tensor

    from ttf.findings import Findings
    from ttf.interfaces.analysis import Subject
    from ttf.interfaces.progress import Progress
    from ttf_plugins.prediction_error import PredictionErrorConfig
    from ttf_plugins.prediction_error.question import Answer, Question

MARKOVIAN = 2
"""Transitions in the window of the Markovian variant: the one being written, and the one before it."""


@final
class PredictionError(Analysis):
    """Asks every predictor the same question."""

    def __init__(self, config: PredictionErrorConfig) -> None:
        self.config = config

    def check(self, subject: Subject) -> str | None:
        """Ask whether there is anything to predict, and nothing that tells it.

        Raises:
            DataError: no episode is long enough, or goals or subgoals would tell what is to be predicted.
        """
        model, goal = subject.model, subject.data.goal
        assert model is not None  # noqa: S101  (required)
        if subject.training.layout.subgoal:
            message = (
                "analysis 'prediction_error': subgoals tell the future that it asks for; train without data.subgoal"
            )
            raise DataError(message)
        if goal is not None and goal.dropout == 0:
            message = (
                "analysis 'prediction_error': goals tell the future that it asks for, and this model is never without; "
                "data.goal.dropout above 0 trains one that can be"
            )
            raise DataError(message)
        if model.context < MARKOVIAN:
            return f"a model of single transitions predicts no later ones; model.context {MARKOVIAN}"
        ask(subject, self.config, history=model.context - 1)
        return None

    def run(self, subject: Subject, *, seed: int, progress: Progress) -> Findings:
        """Predict, and measure errors and likelihoods."""
        model, discretizer = subject.model, subject.discretizer
        assert model is not None  # noqa: S101  (required)
        assert discretizer is not None  # noqa: S101  (a model requires one)
        question = ask(subject, self.config, history=model.context - 1)
        name = type(model).__name__
        main = SequencePredictor(model, discretizer, model.context).predict(question, seed, progress)
        answers = {name: main}
        if model.context > MARKOVIAN:
            markovian = SequencePredictor(model, discretizer, MARKOVIAN)
            answers[f"{name}, one transition"] = markovian.predict(question, seed, progress)
        if self.config.members:
            answers |= self._ensemble(subject, question, main.actions, seed, progress)
        return findings(question, answers, self.config, subject, seed)

    def _ensemble(
        self, subject: Subject, question: Question, chosen: Tensor, seed: int, progress: Progress
    ) -> dict[str, Answer]:
        """The ensemble's answers, with states that can go anywhere, and with states kept in the range of the data."""
        pairs = pairs_of(subject)
        ensemble = train(pairs, self.config, seed, progress)
        actions = question.actions if question.replay else chosen
        ranges = {ENSEMBLE: far_range(question), BOUNDED: data_range(pairs)}
        return {
            name: EnsemblePredictor(ensemble, limits, actions).predict(question, seed, progress)
            for name, limits in ranges.items()
        }
