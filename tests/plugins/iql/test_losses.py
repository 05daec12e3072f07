"""The losses are those of torchrl's implementation, on the same weights and batches."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import torch
from torch import Tensor, nn

from ttf.interfaces.learner import Transitions
from ttf.layout import Layout
from ttf_plugins.iql import IQLConfig
from ttf_plugins.iql.iql import IQL

if TYPE_CHECKING:
    from ttf_plugins.iql.iql import GaussianPolicy

LAYOUT, DISCOUNT, ROWS = Layout(5, 3), 0.97, 256


class Parts(nn.Module):
    """What torchrl wants of a Gaussian policy: location and scale."""

    def __init__(self, policy: GaussianPolicy) -> None:
        super().__init__()
        self.policy = policy

    def forward(self, observations: Tensor) -> tuple[Tensor, Tensor]:
        mean = self.policy(observations)
        return mean, self.policy.log_deviation.exp().expand_as(mean)


class Joined(nn.Module):
    def __init__(self, q: nn.Module) -> None:
        super().__init__()
        self.q = q

    def forward(self, observations: Tensor, actions: Tensor) -> Tensor:
        value: Tensor = self.q(torch.cat([observations, actions], dim=-1))
        return value


def critic(config: IQLConfig, seed: int) -> IQL:
    """A critic whose networks, the averaged ones included, all differ, and whose policy's deviations do too."""
    torch.manual_seed(seed)
    made, batch = IQL(config, LAYOUT).double(), transitions(seed)[0]
    with torch.no_grad():
        for parameter in made.parameters():
            parameter.add_(torch.randn_like(parameter), alpha=0.4)
        middle = (made.action_value(batch.observations, batch.actions) - made.value(batch.observations)).median()
        last = made.v[-1].bias
        assert isinstance(last, Tensor)
        last.add_(middle)  # so that there are better and worse actions
    return made


def transitions(seed: int) -> tuple[Transitions, Tensor]:
    """A batch, and which transitions terminated."""
    random = torch.Generator().manual_seed(seed)
    observations, following = torch.randn(2, ROWS, LAYOUT.observation, generator=random).double()
    actions = 2 * torch.rand(ROWS, LAYOUT.action, generator=random).double() - 1
    terminated = torch.rand(ROWS, generator=random) < 0.2
    rewards = torch.randn(ROWS, generator=random).double()
    return Transitions(observations, actions, rewards, following, DISCOUNT * ~terminated), terminated


def torchrl_loss(ours: IQL) -> Any:  # noqa: ANN401  (torchrl's module, not typed)
    """torchrl's module with the same weights."""
    from tensordict.nn import ProbabilisticTensorDictModule, ProbabilisticTensorDictSequential
    from tensordict.nn import TensorDictModule as Module
    from torchrl.modules import IndependentNormal, ValueOperator
    from torchrl.objectives import IQLLoss

    assert ours.gaussian is not None
    actor = ProbabilisticTensorDictSequential(
        Module(Parts(ours.gaussian), in_keys=["observation"], out_keys=["loc", "scale"]),
        ProbabilisticTensorDictModule(
            in_keys=["loc", "scale"], out_keys=["action"], distribution_class=IndependentNormal
        ),
    )
    qs = [ValueOperator(Joined(q), in_keys=["observation", "action"]) for q in ours.q.both]
    loss = IQLLoss(
        actor,
        qs,
        ValueOperator(ours.v, in_keys=["observation"]),
        num_qvalue_nets=2,
        loss_function="l2",
        temperature=ours.config.beta,
        expectile=ours.config.expectile,
    )
    loss.make_value_estimator(gamma=DISCOUNT)
    averaged = [dict(q.named_parameters()) for q in ours.averaged_q.both]
    for name, target in loss.target_qvalue_network_params.flatten_keys(".").items():
        if isinstance(target, Tensor):
            target.copy_(torch.stack([one[name.removeprefix("module.q.")] for one in averaged]))
    return loss


@pytest.mark.filterwarnings("ignore")  # those of another library
@pytest.mark.parametrize(("seed", "expectile", "beta"), [(0, 0.7, 3.0), (1, 0.9, 10.0), (2, 0.5, 0.0)])
def test_the_losses_are_those_of_torchrl(seed: int, expectile: float, beta: float) -> None:
    pytest.importorskip("torchrl", reason="torchrl, which the losses are compared with, is not installed")
    from tensordict import TensorDict

    ours = critic(IQLConfig(expectile=expectile, beta=beta, policy=True, hidden=16), seed)
    batch, terminated = transitions(seed)
    result = torchrl_loss(ours)(
        TensorDict(
            {
                "observation": batch.observations,
                "action": batch.actions,
                "next": {
                    "observation": batch.next_observations,
                    "reward": batch.rewards[:, None],
                    "terminated": terminated[:, None],
                    "done": terminated[:, None],
                },
            },
            batch_size=[ROWS],
        )
    )
    losses = ours.losses(batch)
    expected = {"value_loss": "loss_value", "q_loss": "loss_qvalue", "policy_loss": "loss_actor"}
    assert losses.keys() == expected.keys()
    for name, theirs in expected.items():
        assert float(losses[name].detach()) == pytest.approx(float(result[theirs].detach()), rel=1e-6), name


def test_the_cases_compared_have_weights_on_both_sides_of_the_clip_and_of_zero() -> None:
    """Otherwise the comparison above says little."""
    ours, (batch, terminated) = critic(IQLConfig(beta=10.0, policy=True, hidden=16), 1), transitions(1)
    advantages = ours.action_value(batch.observations, batch.actions) - ours.value(batch.observations)
    assert 0.05 < float((advantages > 0).double().mean()) < 0.95
    assert 0.05 < float(((10 * advantages).exp() > 100).double().mean()) < 0.95
    assert 0.05 < float(terminated.double().mean()) < 0.95
