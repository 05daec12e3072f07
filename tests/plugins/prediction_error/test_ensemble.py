"""The ensemble learns linear dynamics with their noise, and rolls out as a mixture of Gaussians."""

from __future__ import annotations

import math

import pytest
import torch
from scipy import stats
from tests.core.toys import Quiet
from tests.plugins.prediction_error.worlds import LAYOUT, subject, world
from torch import Tensor

from ttf_plugins.prediction_error import PredictionErrorConfig
from ttf_plugins.prediction_error.ensemble import (
    Ensemble,
    EnsemblePredictor,
    Pairs,
    data_range,
    far_range,
    pairs_of,
    train,
)
from ttf_plugins.prediction_error.question import ask

NOISE = torch.tensor([0.3, 0.05])
DYNAMICS = torch.tensor([[0.9, 0.2], [-0.1, 0.8]])
CONFIG = PredictionErrorConfig(members=3, hidden=24, layers=2, updates=800, batch_size=64, learning_rate=5e-3)


def linear(count: int, seed: int) -> Pairs:
    """Transitions of s' = A s + a + noise, with a constant third dimension."""
    generator = torch.Generator().manual_seed(seed)
    states, actions, noise = (torch.randn(count, 2, generator=generator) for _ in range(3))
    following = states @ DYNAMICS.T + actions + NOISE * noise
    constant = torch.full((count, 1), 4.0)
    return Pairs(torch.cat([states, constant], 1), actions, torch.cat([following, constant], 1))


def log_density(x: Tensor, mean: Tensor, deviation: Tensor) -> Tensor:
    return torch.from_numpy(stats.norm.logpdf(x.numpy(), mean.numpy(), deviation.numpy())).float()


@pytest.fixture(scope="module")
def learned() -> Ensemble:
    return train(linear(6000, 0), CONFIG, seed=0, progress=Quiet())


def test_the_ensemble_learns_a_linear_system_and_its_noise(learned: Ensemble) -> None:
    unseen = linear(2000, 1)
    mean, deviation = learned.next_state(unseen.states, unseen.actions)
    exact = unseen.states[:, :2] @ DYNAMICS.T + unseen.actions
    assert mean.shape == deviation.shape == (3, 2000, 3)
    off = (mean[..., :2] - exact).square().mean((0, 1)).sqrt()
    assert (off < 0.35 * NOISE + 0.03).all()
    assert deviation[..., :2].median(1).values.flatten().tolist() == pytest.approx(NOISE.tolist() * 3, rel=0.35)
    assert (mean[..., 2] - 4).abs().max() < 0.05


def test_members_differ_and_the_same_seed_gives_the_same_ensemble() -> None:
    config = CONFIG.model_copy(update={"updates": 5})
    one, two, three = (train(linear(100, 0), config, seed, Quiet()) for seed in (1, 1, 2))
    first, second, third = (model.weights[0] for model in (one, two, three))
    assert first.equal(second)
    assert not first.equal(third)
    assert not first[0].equal(first[1])
    assert not any(parameter.requires_grad for parameter in one.parameters())


def test_the_loss_is_the_likelihood_of_gaussians() -> None:
    pairs = linear(50, 3)
    ensemble = Ensemble(pairs, CONFIG, torch.Generator().manual_seed(0)).requires_grad_(requires_grad=False)
    batch = Pairs(*(part.expand(3, -1, -1) for part in pairs))
    mean, log_variance = ensemble(batch.states, batch.actions)
    deviation, centre = torch.std_mean(pairs.following - pairs.states, dim=0, correction=0)
    target = (pairs.following - pairs.states - centre) / torch.where(deviation > 0, deviation, 1.0)
    logs = log_density(target, mean, (0.5 * log_variance).exp())
    expected = -logs.mean((1, 2)).sum() - 3 * 0.5 * math.log(2 * math.pi)
    bounds = 0.01 * 3 * 10.5
    assert float(ensemble.loss(batch)) == pytest.approx(float(expected + bounds), rel=1e-5)


class Constant(Ensemble):  # type: ignore[misc]  # final; a stand-in whose Gaussians are known
    """Two members: one stays, one goes a step up; deviations 0.5 and 2."""

    def __init__(self) -> None:
        torch.nn.Module.__init__(self)

    def next_state(self, states: Tensor, actions: Tensor) -> tuple[Tensor, Tensor]:
        deviations = torch.tensor([0.5, 2.0]).view(2, 1, 1).expand(2, *states.shape)
        return torch.stack([states, states + 1]), deviations


def test_the_likelihood_is_that_of_the_mixture_of_members_and_rollouts() -> None:
    rows = world(6, 12, seed=0)
    asked = ask(subject(rows), PredictionErrorConfig(steps=2, starts=4, rollouts=3), 1)
    answer = EnsemblePredictor(Constant(), far_range(asked), asked.actions).predict(asked, 0, Quiet())
    start = asked.recorded[:, asked.history, LAYOUT.observations].unsqueeze(1)
    assert answer.likelihood is not None
    for step, states in enumerate((start.expand(-1, 3, -1), answer.states[:, :, 0])):
        truth = asked.truth[:, step].unsqueeze(1)
        density = sum(
            log_density(truth, states + up, torch.tensor(deviation)).sum(-1).exp() / 2
            for up, deviation in ((0, 0.5), (1, 2.0))
        )
        assert isinstance(density, Tensor)
        torch.testing.assert_close(answer.likelihood[:, step], density.mean(1).log(), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("bounded", [True, False])
def test_states_are_kept_within_the_range_of_the_data_if_wanted(bounded: bool) -> None:
    rows = world(6, 40, seed=0)
    asked = ask(subject(rows), PredictionErrorConfig(steps=30, starts=4, sample=False), 1)
    limits = data_range(pairs_of(subject(rows))) if bounded else far_range(asked)
    answer = EnsemblePredictor(Constant(), limits, asked.actions).predict(asked, 0, Quiet())
    start = asked.recorded[:, asked.history, LAYOUT.observations]
    far = start + 15  # half a step at a time: the mean of the members
    expected = far.clamp(max=6) if bounded else far
    assert answer.states[:, 0, -1].equal(expected)


def test_pairs_are_the_transitions_within_episodes() -> None:
    for stride in (1, 3):
        rows = world(5, 10, seed=0)
        pairs = pairs_of(subject(rows, stride=stride))
        assert len(pairs.states) == 5 * (10 - stride)
        places = torch.from_numpy(rows.values).view(5, 10, -1)
        assert pairs.states.equal(places[:, :-stride, LAYOUT.observations].flatten(0, 1))
        assert pairs.actions.equal(places[:, :-stride, LAYOUT.actions].flatten(0, 1))
        assert pairs.following.equal(places[:, stride:, LAYOUT.observations].flatten(0, 1))
