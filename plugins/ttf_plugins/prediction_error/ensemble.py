"""Predict with a probabilistic single-step ensemble (PETS, Chua et al. 2018)."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple, final

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812  (the field's name for it)

from ttf_plugins.prediction_error.question import Answer

if TYPE_CHECKING:
    from ttf.interfaces.analysis import Subject
    from ttf.interfaces.progress import Progress
    from ttf_plugins.prediction_error import PredictionErrorConfig
    from ttf_plugins.prediction_error.question import Question

FARTHEST = 1e6
"""Standard deviations beyond which no state gets, so that every error is finite."""

BOUNDS_WEIGHT = 0.01
"""Of the distance between the learned bounds of log-variances, in the loss."""


class Pairs(NamedTuple):
    """Transitions of the training episodes."""

    states: Tensor  # (N, O)
    actions: Tensor  # (N, A)
    following: Tensor  # (N, O)


def pairs_of(subject: Subject) -> Pairs:
    """Every transition whose next state is recorded."""
    rows, layout = subject.training, subject.training.layout
    stride = subject.data.stride
    two = torch.from_numpy(rows.sequences(rows.starts(2, stride), 2, stride)).to(subject.device)
    return Pairs(two[:, 0, layout.observations], two[:, 0, layout.actions], two[:, 1, layout.observations])


@final
class Ensemble(nn.Module):
    """E perceptrons, each a Gaussian over the difference of the next state, on normalised inputs and outputs."""

    def __init__(self, pairs: Pairs, config: PredictionErrorConfig, generator: torch.Generator) -> None:
        super().__init__()
        inputs = torch.cat([pairs.states, pairs.actions], 1)
        self.register_buffer("scales", torch.stack(_mean_and_deviation(inputs)))  # (2, O + A)
        self.register_buffer("steps", torch.stack(_mean_and_deviation(pairs.following - pairs.states)))  # (2, O)
        states = pairs.states.shape[1]
        sizes = [inputs.shape[1], *[config.hidden] * config.layers, 2 * states]
        self.weights = nn.ParameterList(
            _weights(config.members, size, after, generator) for size, after in pairwise(sizes)
        )
        self.biases = nn.ParameterList(torch.zeros(config.members, 1, after) for after in sizes[1:])
        self.most = nn.Parameter(torch.full((states,), 0.5))  # bounds of log-variances, as published
        self.least = nn.Parameter(torch.full((states,), -10.0))
        self.to(inputs.device)

    scales: Tensor
    steps: Tensor

    def forward(self, states: Tensor, actions: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and log-variance (E, B, O) of the normalised difference; inputs are (B, ...) or (E, B, ...)."""
        x = (torch.cat([states, actions], -1) - self.scales[0]) / self.scales[1]
        x = x.expand(len(self.biases[0]), *x.shape[-2:])
        for weight, bias in zip(self.weights, self.biases, strict=True):
            x = torch.baddbmm(bias, x, weight)
            x = F.silu(x) if weight is not self.weights[-1] else x
        mean, log_variance = x.chunk(2, dim=-1)
        log_variance = self.most - F.softplus(self.most - log_variance)
        return mean, self.least + F.softplus(log_variance - self.least)

    def loss(self, pairs: Pairs) -> Tensor:
        """Negative log-likelihood of a batch for each member (E, B, ...), and the share of the bounds."""
        mean, log_variance = self(pairs.states, pairs.actions)
        target = (pairs.following - pairs.states - self.steps[0]) / self.steps[1]
        losses = (target - mean).square() * torch.exp(-log_variance) + log_variance
        loss: Tensor = 0.5 * losses.mean((1, 2)).sum() + BOUNDS_WEIGHT * (self.most - self.least).sum()
        return loss

    def next_state(self, states: Tensor, actions: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and deviation (E, B, O) of the next state."""
        mean, log_variance = self(states, actions)
        return states + self.steps[0] + self.steps[1] * mean, self.steps[1] * torch.exp(0.5 * log_variance)


def train(pairs: Pairs, config: PredictionErrorConfig, seed: int, progress: Progress) -> Ensemble:
    """An ensemble whose members have learned from bootstrap samples of the transitions."""
    generator = torch.Generator().manual_seed(seed)
    ensemble = Ensemble(pairs, config, generator)
    count, device = len(pairs.states), pairs.states.device
    samples = torch.randint(count, (config.members, count), generator=generator)
    optimizer = torch.optim.Adam(ensemble.parameters(), lr=config.learning_rate, fused=True)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, config.updates)
    with torch.enable_grad(), progress.task("training the ensemble", config.updates, unit="updates") as task:
        for _ in range(config.updates):
            places = torch.randint(count, (config.members, config.batch_size), generator=generator)
            rows = samples.gather(1, places).to(device)
            loss = ensemble.loss(Pairs(*(part[rows] for part in pairs)))
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]  # torch leaves it untyped
            optimizer.step()
            schedule.step()
            task.advance()
    return ensemble.requires_grad_(requires_grad=False)


@final
class EnsemblePredictor:
    """The ensemble, which replays recorded or given actions; each step is a member's, drawn anew."""

    def __init__(self, ensemble: Ensemble, limits: tuple[Tensor, Tensor], actions: Tensor) -> None:
        self._ensemble, self._limits, self._actions = ensemble, limits, actions

    @torch.inference_mode()
    def predict(self, question: Question, seed: int, progress: Progress) -> Answer:
        """Roll out from every start."""
        generator, layout = torch.Generator().manual_seed(seed), question.layout
        start = question.recorded[:, question.history, layout.observations]
        state = start.repeat_interleave(question.rollouts, 0)  # (R, O)
        actions, states, likelihoods = self._actions.flatten(0, 1), [], []
        with progress.task("predicting with the ensemble", question.steps, unit="steps") as task:
            for step in range(question.steps):
                mean, deviation = self._ensemble.next_state(state, actions[:, step])
                likelihoods.append(_likelihood(mean, deviation, question, step))
                state = _drawn(mean, deviation, generator) if question.sample else mean.mean(0)
                state = state.clamp(*self._limits)
                states.append(state)
                task.advance()
        predicted = torch.stack(states, 1)  # (R, steps, O)
        return Answer(
            predicted.view(len(start), question.rollouts, *predicted.shape[1:]),
            self._actions,
            torch.stack(likelihoods, 1) if question.replay else None,
        )


def data_range(pairs: Pairs) -> tuple[Tensor, Tensor]:
    """The least and the largest states (O,) of the data."""
    low, high = pairs.states.aminmax(dim=0)
    return low, high


def far_range(question: Question) -> tuple[Tensor, Tensor]:
    """States (O,) so far out that no error beyond would say more."""
    far = FARTHEST * question.deviation
    return question.mean - far, question.mean + far


def _drawn(mean: Tensor, deviation: Tensor, generator: torch.Generator) -> Tensor:
    """A state (R, O) for every row, each of a member drawn for it."""
    rows = torch.arange(mean.shape[1])
    members = torch.randint(len(mean), (len(rows),), generator=generator)
    noise = torch.randn(mean.shape[1:], generator=generator).to(mean.device)
    return mean[members, rows] + deviation[members, rows] * noise


def _likelihood(mean: Tensor, deviation: Tensor, question: Question, step: int) -> Tensor:
    """Log-likelihood (S,) of the true state under the mixture of members and rollouts."""
    truth = question.truth[:, step].repeat_interleave(question.rollouts, 0)
    distance = (truth - mean) / deviation
    logs = -0.5 * (distance.square() + math.log(2 * math.pi)) - deviation.log()  # (E, R, O)
    joint: Tensor = logs[..., question.varying].sum(-1).view(len(logs), -1, question.rollouts)  # (E, S, K)
    return joint.logsumexp((0, 2)) - math.log(joint.shape[0] * joint.shape[2])


def _mean_and_deviation(values: Tensor) -> tuple[Tensor, Tensor]:
    """Of every column; the deviation of a constant one is called 1."""
    deviation, mean = torch.std_mean(values, dim=0, correction=0)
    return mean, torch.where(deviation > 0, deviation, 1.0)


def _weights(members: int, inputs: int, outputs: int, generator: torch.Generator) -> nn.Parameter:
    """As published: normal with deviation 1 / (2 sqrt(inputs)), cut off at two deviations."""
    weights = torch.empty(members, inputs, outputs)
    deviation = 1 / (2 * math.sqrt(inputs))
    nn.init.trunc_normal_(weights, std=deviation, a=-2 * deviation, b=2 * deviation, generator=generator)
    return nn.Parameter(weights)
