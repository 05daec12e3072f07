"""What the answers come to: errors and likelihoods against the horizon, with intervals over episodes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ttf.findings import Estimate, Findings, LineFigure, Series, Table
from ttf.statistics import grouped_means

if TYPE_CHECKING:
    from collections.abc import Mapping, Sized

    from torch import Tensor

    from ttf.interfaces.analysis import Subject
    from ttf.statistics import Interval
    from ttf_plugins.prediction_error import PredictionErrorConfig
    from ttf_plugins.prediction_error.question import Answer, Question

_ENSEMBLE = (
    "The ensemble has {} members; its states can go anywhere, as published, or are kept in the range of the training "
    "data, as bins keep the model's."
)

HORIZONS = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10_000)
"""Those that the tables show."""

ENSEMBLE, BOUNDED = "ensemble", "ensemble, in range"


def findings(
    question: Question, answers: Mapping[str, Answer], config: PredictionErrorConfig, subject: Subject, seed: int
) -> Findings:
    """Figures and tables."""
    errors = {name: question.errors(answer.states) for name, answer in answers.items()}
    measured = {name: _means(error, question, seed) for name, error in errors.items()}
    tables, lines = [_table("Error", errors, question, seed)], [_error_figure(question, measured)]
    likelihoods = {name: answer.likelihood for name, answer in answers.items() if answer.likelihood is not None}
    if likelihoods:
        tables.append(_table("Log-likelihood", likelihoods, question, seed))
        lines.append(_likelihood_figure(question, likelihoods, seed))
    return Findings(
        f"How far ahead the model predicts: {'recorded actions' if question.replay else 'actions of its own'}",
        f"{_asked(question, config, subject)} {_found(question, measured)}",
        tables=tables,
        lines=lines,
    )


def _asked(question: Question, config: PredictionErrorConfig, subject: Subject) -> str:
    starts, episodes = len(question.recorded), len(set(question.episodes.tolist()))
    actions = "recorded actions are replayed" if question.replay else "the model samples actions, as the ensemble does"
    how = f"{question.rollouts} sampled rollouts each" if question.sample else "the likeliest tokens each"
    hidden = int((~question.varying).sum())
    left_out = f" Dimensions of the state that are constant, {hidden} of them, are left out." if hidden else ""
    goal = " Goals, which tell how an episode goes on, are hidden from the model." if question.layout.goal else ""
    step = f", {subject.data.stride} environment steps each," if subject.data.stride > 1 else ""
    return (
        f"From {starts} starts in {episodes} {subject.unseen_name} {question.steps} transitions{step} are predicted, "
        f"with {how}; {actions}. Errors are absolute differences from the recorded state in standard deviations of "
        f"the training data, averaged over rollouts and state dimensions. Bands and brackets are 95 % bootstrap "
        f"intervals over episodes.{left_out}{goal}" + (f" {_ENSEMBLE.format(config.members)}" if config.members else "")
    )


def _found(question: Question, measured: Mapping[str, list[Interval]]) -> str:
    step = min(50, question.steps)
    said = [f"{name} {means[step - 1].estimate:.3g}{_brackets(means[step - 1])}" for name, means in measured.items()]
    return f"After {step} transitions the mean error is: {'; '.join(said)}."


def _brackets(interval: Interval) -> str:
    return "" if interval.low is None else f" [{interval.low:.3g}, {interval.high:.3g}]"


def _error_figure(question: Question, measured: Mapping[str, list[Interval]]) -> LineFigure:
    series = [_series(name, means) for name, means in measured.items()]
    mean = question.errors(question.mean.expand(*question.truth.unsqueeze(1).shape))
    references = {"mean of the data": mean, "random state of the data": question.random_errors()}
    return LineFigure(
        "Error of the predicted state",
        "Mean absolute error over state dimensions, with its 95 % interval. The broken lines know nothing of the "
        "start: one always predicts the mean of the training data, the other a random state of it, as sampled rollouts "
        "do once they have lost all trace of their start.",
        "transitions ahead",
        "error, standard deviations",
        [*series, *(_reference(name, errors) for name, errors in references.items())],
        "log",
    )


def _likelihood_figure(question: Question, likelihoods: Mapping[str, Tensor], seed: int) -> LineFigure:
    return LineFigure(
        "Log-likelihood of the true state",
        "Summed over state dimensions, under the mixture of the rollouts, with its 95 % interval. The probability of a "
        "bin is divided by the bin's width, so that bins and Gaussians are compared as densities in the data's units.",
        "transitions ahead",
        "log-likelihood, nats",
        [_series(name, _means(values, question, seed)) for name, values in likelihoods.items()],
        "symlog",
    )


def _table(what: str, values: Mapping[str, Tensor], question: Question, seed: int) -> Table:
    """Means at some horizons, and how the model differs from the ensemble from the same starts."""
    columns = dict(values)
    model = next(iter(values))
    columns |= {
        f"{model} minus {other}": values[model] - values[other] for other in (ENSEMBLE, BOUNDED) if other in values
    }
    means = {name: _means(column, question, seed) for name, column in columns.items()}
    shown = sorted({*(step for step in HORIZONS if step < question.steps), question.steps})
    captions = {
        "Error": "Error of the predicted state in standard deviations, with its 95 % interval; less is better.",
        "Log-likelihood": "Log-likelihood of the true state in nats, with its 95 % interval; more is better.",
    }
    return Table(
        what,
        captions[what],
        ["transitions ahead", *columns],
        [[step, *(Estimate(*means[name][step - 1]) for name in columns)] for step in shown],
    )


def _means(values: Tensor, question: Question, seed: int) -> list[Interval]:
    """Means of (S, steps) with intervals over episodes."""
    return grouped_means(values.cpu().double(), question.episodes, seed)


def _series(name: str, means: list[Interval]) -> Series:
    if means[0].low is None:
        return Series(name, _ahead(means), [one.estimate for one in means])
    low, high = [one.low for one in means], [one.high for one in means]
    return Series(name, _ahead(means), [one.estimate for one in means], low, high)


def _reference(name: str, errors: Tensor) -> Series:
    means = errors.cpu().double().mean(0)
    return Series(name, _ahead(means), means.tolist(), dashed=True)


def _ahead(means: Sized) -> list[float]:
    return [*range(1, len(means) + 1)]
