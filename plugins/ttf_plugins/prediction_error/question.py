"""What is predicted from where, and what a predictor answers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import torch
from torch.nn import functional as F  # noqa: N812  (the field's name for it)

from ttf.errors import DataError

if TYPE_CHECKING:
    from torch import Tensor

    from ttf.interfaces.analysis import Subject
    from ttf.interfaces.progress import Progress
    from ttf.layout import Layout
    from ttf_plugins.prediction_error import PredictionErrorConfig


@dataclass(frozen=True)
class Question:
    """Recorded transitions from S starts: some history, and the steps to predict."""

    layout: Layout
    recorded: Tensor
    """(S, history + 1 + steps, D): the transition after the history is the one that is started from."""

    episodes: Tensor
    """Which episode each start belongs to (S,)."""

    history: int
    rollouts: int
    sample: bool
    replay: bool
    """Whether recorded actions are replayed."""

    known: Tensor
    """All states of the training data (N, O), in float64 on the CPU."""

    mean: Tensor
    """Mean of every state dimension in the training data (O,)."""

    deviation: Tensor
    """Standard deviation of every state dimension in the training data (O,)."""

    @property
    def steps(self) -> int:
        """Transitions to predict."""
        return self.recorded.shape[1] - self.history - 1

    @property
    def truth(self) -> Tensor:
        """The states to predict (S, steps, O)."""
        return self.recorded[:, self.history + 1 :, self.layout.observations]

    @property
    def actions(self) -> Tensor:
        """The recorded actions, the same for every rollout (S, K, steps, A)."""
        recorded = self.recorded[:, self.history : -1, self.layout.actions]
        return recorded.unsqueeze(1).expand(-1, self.rollouts, -1, -1)

    @property
    def varying(self) -> Tensor:
        """The state dimensions that are not constant, (O,) bool; the others count nowhere."""
        return self.deviation > 0

    def errors(self, states: Tensor) -> Tensor:
        """Mean over rollouts and dimensions of |error| in deviations, (S, steps), of states (S, K, steps, O)."""
        varying = self.varying
        distance = (states - self.truth.unsqueeze(1)).abs()[..., varying] / self.deviation[varying]
        return distance.mean((1, 3))

    def random_errors(self) -> Tensor:
        """What :meth:`errors` come to for states drawn from the training data, on average, (S, steps)."""
        truth, deviation = self.truth.cpu().double(), self.deviation.cpu().double()
        dimensions = self.varying.nonzero().flatten().tolist()
        return torch.stack([_mean_distance(self.known[:, i], truth[..., i]) / deviation[i] for i in dimensions]).mean(0)


@dataclass(frozen=True)
class Answer:
    """What a predictor makes of a question."""

    states: Tensor
    """Predicted states (S, K, steps, O)."""

    actions: Tensor
    """The actions that led there (S, K, steps, A)."""

    likelihood: Tensor | None
    """Log-likelihood of the true states (S, steps), in nats; None where other actions were taken."""


class Predictor(Protocol):
    """Predicts states."""

    def predict(self, question: Question, seed: int, progress: Progress) -> Answer:
        """Roll out from every start."""
        ...


def ask(subject: Subject, config: PredictionErrorConfig, history: int) -> Question:
    """Choose the starts, evenly spread over all possible ones.

    Raises:
        DataError: no episode is long enough.
    """
    rows, stride = subject.unseen, subject.data.stride
    count = history + 1 + config.steps
    possible = torch.from_numpy(rows.starts(count, stride))
    if len(possible) == 0:
        message = (
            f"prediction_error: no episode is long enough: {history} transitions of history, a start and "
            f"{config.steps} steps need {(count - 1) * stride + 1} recorded steps, the longest of the "
            f"{subject.unseen_name} has {int(rows.lengths.max())}; lower steps"
        )
        raise DataError(message)
    wanted = min(config.starts, len(possible))
    chosen = possible[torch.arange(wanted) * len(possible) // wanted].numpy()
    episodes = rows.episode(chosen)
    observed = torch.from_numpy(subject.training.values)[:, rows.layout.observations].double()
    deviation, mean = torch.std_mean(observed, dim=0, correction=0)
    if not deviation.any():
        message = "prediction_error: every dimension of the state is constant in the training data: nothing to predict"
        raise DataError(message)
    return Question(
        layout=rows.layout,
        recorded=torch.from_numpy(rows.sequences(chosen, count, stride)).to(subject.device),
        episodes=torch.from_numpy(episodes),
        history=history,
        rollouts=config.rollouts if config.sample else 1,
        sample=config.sample,
        replay=config.actions == "recorded",
        known=observed,
        mean=mean.float().to(subject.device),
        deviation=deviation.float().to(subject.device),
    )


def _mean_distance(values: Tensor, points: Tensor) -> Tensor:
    """Mean of |value - point| over all values (N,), for every point (...)."""
    ordered = values.sort().values
    sums = F.pad(ordered.cumsum(0), (1, 0))  # of the least values
    below = torch.searchsorted(ordered, points.contiguous())
    return ((2 * below - len(values)) * points + sums[-1] - 2 * sums[below]) / len(values)
