"""Behaviour cloning gives the mean of the recorded actions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import numpy as np
import pytest
import torch
from tests.core.toys import CorridorEnvironment

from ttf.interfaces.learner import Transitions
from ttf.layout import Layout
from ttf.testing import check_baseline
from ttf_plugins.bc import BehaviourCloningConfig
from ttf_plugins.bc.bc import Cloning

if TYPE_CHECKING:
    from ttf.interfaces.data import DataSource
    from ttf.interfaces.policy import Policy

LAYOUT = Layout(2, 2)


def transitions(rows: int, noise: float = 0.0, seed: int = 0) -> Transitions:
    """What a behaviour that is known did: bounded, and with dimensions of very different scales."""
    random = torch.Generator().manual_seed(seed)
    observations = torch.tensor([3.0, -200.0]) + torch.randn(rows, 2, generator=random) * torch.tensor([0.5, 40.0])
    noisy = behaviour(observations) + noise * torch.randn(rows, 2, generator=random) * torch.tensor([0.01, 10.0])
    return Transitions(observations, noisy, torch.zeros(rows), observations, torch.ones(rows))


def behaviour(observations: torch.Tensor) -> torch.Tensor:
    one, other = observations[..., 0] - 3, (observations[..., 1] + 200) / 40
    return torch.stack([0.01 * torch.sin(2 * one + other), 20 + 10 * torch.tanh(other - one)], dim=-1)


def cloned(data: Transitions, updates: int, **fields: Any) -> Cloning:  # noqa: ANN401
    torch.manual_seed(0)
    learner = BehaviourCloningConfig(hidden=32, learning_rate=3e-3, **fields).learner(LAYOUT)
    assert isinstance(learner, Cloning)
    learner.prepare(data)
    order = np.random.default_rng(0)
    for _ in range(updates):
        learner.update(data.select(torch.from_numpy(order.integers(len(data.rewards), size=64))))
    return learner


def policy_of(learner: Cloning) -> Policy:
    return learner.config.build(cast("DataSource", None), CorridorEnvironment(), learner=learner)


@pytest.mark.parametrize("normalise", [True, False])
def test_the_contract_of_baselines_is_kept(normalise: bool) -> None:
    check_baseline(BehaviourCloningConfig(hidden=8, normalise=normalise))


@pytest.mark.parametrize("noise", [0.0, 0.3])
def test_the_clone_acts_as_the_behaviour_does_on_average(noise: float) -> None:
    policy = policy_of(cloned(transitions(4000, noise), 1500))
    unseen = transitions(500, seed=1)
    actions = policy.start(500, 0).act(unseen.observations.numpy())
    error = np.abs(actions - unseen.actions.numpy()) / [0.01, 10.0]
    assert error.mean() < 0.06
    assert actions.dtype == np.float32


def test_the_loss_is_the_mean_squared_error_of_actions_scaled_to_one() -> None:
    data = transitions(256)
    learner = cloned(data, 3)
    actions = learner(data.observations)
    low, high = data.actions.amin(0), data.actions.amax(0)
    expected = ((actions - data.actions) / ((high - low) / 2)).square().mean()
    assert float(learner.update(data)["action_loss"].detach()) == pytest.approx(float(expected.detach()), rel=1e-5)


def test_the_clone_never_leaves_the_range_of_the_data() -> None:
    data = transitions(256)
    learner = cloned(data, 0)
    with torch.no_grad():
        for parameter in learner.parameters():
            parameter.mul_(30)
    actions = policy_of(learner).start(500, 0).act(10 * transitions(500, seed=1).observations.numpy())
    low, high = data.actions.amin(0).numpy(), data.actions.amax(0).numpy()
    slack = 1e-5 * (high - low)
    assert (actions >= low - slack).all()
    assert (actions <= high + slack).all()
    assert (np.isclose(actions, low, rtol=1e-3) | np.isclose(actions, high, rtol=1e-3)).mean() > 0.5
