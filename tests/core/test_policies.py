"""What is made of a policy: kept within bounds, held for a transition, told what it earned as the data has it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch
from tests.core.toys import CorridorData, Quiet, tiny_recipe

from ttf.holding import HoldingPolicy
from ttf.interfaces.policy import Actor, Policy
from ttf.policies import BoundedPolicy, NetworkPolicy
from ttf.prepare import load_data, make_baselines, make_critic, make_environment
from ttf_plugins.baselines import RandomConfig
from ttf_plugins.bc import BehaviourCloningConfig
from ttf_plugins.iql import IQLConfig, IQLPolicyConfig

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass
class Echo(Actor, Policy):
    """Acts with ten times the first observation, and imagines it; remembers what it is told."""

    told: list[list[float]] = field(default_factory=list)
    kept: list[list[int]] = field(default_factory=list)
    started: list[tuple[int, int]] = field(default_factory=list)

    def start(self, batch: int, seed: int) -> Actor:
        self.started.append((batch, seed))
        return self

    def act(self, observations: NDArray[np.float32]) -> NDArray[np.float32]:
        self.imagined = observations[:, None]
        return 10 * observations[:, :1]

    def observe(self, rewards: NDArray[np.float32]) -> None:
        self.told.append(rewards.tolist())

    def keep(self, rows: NDArray[np.int64]) -> None:
        self.kept.append(rows.tolist())


def seen(*places: float) -> NDArray[np.float32]:
    return np.array([[place, 0.0] for place in places], dtype=np.float32)


def test_actions_beyond_the_bounds_become_the_nearest_and_all_else_passes_through() -> None:
    echo = Echo()
    actor = BoundedPolicy(echo, np.array([-2], np.float32), np.array([3], np.float32)).start(3, 7)
    assert actor.act(seen(-1, 0.1, 1)).tolist() == [[-2], [1], [3]]
    np.testing.assert_array_equal(actor.imagined, seen(-1, 0.1, 1)[:, None])
    actor.observe(np.array([1, 2, 3], np.float32))
    actor.keep(np.array([2, 0]))
    assert (echo.started, echo.told, echo.kept) == ([(3, 7)], [[1, 2, 3]], [[2, 0]])


def test_rewards_are_scaled_and_shifted_and_discounted_as_those_of_the_data() -> None:
    echo = Echo()
    data = CorridorData(stride=3, discount=0.5, reward_scale=2.0, reward_shift=-1.0)
    actor = HoldingPolicy(echo, data).start(2, 0)
    for step in range(7):
        assert actor.act(seen(step, -step)).tolist() == [[30.0 * (step // 3)], [-30.0 * (step // 3)]]
        assert (actor.imagined is None) == (step % 3 > 0)
        actor.observe(np.array([step, 0], np.float32))
    first = (2 * 0 - 1) + 0.5 * (2 * 1 - 1) + 0.25 * (2 * 2 - 1)
    second = (2 * 3 - 1) + 0.5 * (2 * 4 - 1) + 0.25 * (2 * 5 - 1)
    assert echo.told == [[first, -1.75], [second, -1.75]]


def test_a_network_acts_in_float32_on_its_own_device_and_leaves_no_graph() -> None:
    linear = torch.nn.Linear(2, 1)
    actions = NetworkPolicy(linear, linear).start(2, 0).act(seen(1, 2).astype(np.float64))
    assert actions.dtype == np.float32
    np.testing.assert_array_equal(actions, linear(torch.from_numpy(seen(1, 2))).detach().numpy())


@pytest.mark.parametrize("stride", [1, 3])
def test_baselines_that_learn_from_transitions_hold_their_actions_within_bounds_and_others_act_at_every_step(
    stride: int,
) -> None:
    configs = [RandomConfig(), BehaviourCloningConfig(hidden=4), IQLPolicyConfig()]
    recipe = tiny_recipe(
        data=CorridorData(stride=stride), critic=IQLConfig(hidden=4, policy=True), baselines=[*configs, *configs]
    )
    data = load_data(recipe, Quiet())
    environment, critic = make_environment(recipe, data), make_critic(recipe, data.rows.layout)
    assert environment is not None
    environment.action_low, environment.action_high = np.array([0.01], np.float32), np.array([0.02], np.float32)
    baselines = make_baselines(recipe, data, environment, critic, torch.device("cpu"))
    assert list(baselines) == ["random", "bc", "iql", "random 2", "bc 2", "iql 2"]
    for name, baseline in baselines.items():
        actor, acts = baseline.policy.start(1, 0), []
        for step in range(6):
            acts.append(float(actor.act(seen(10 * (-1) ** step))[0, 0]))
            actor.observe(np.zeros(1, np.float32))
        assert all(np.float32(0.01) <= act <= np.float32(0.02) for act in acts), name
        assert (baseline.learner is not None) == name.startswith("bc")
        if name.startswith("random"):
            assert len(set(acts)) == 6
        else:
            assert acts == [act for act in acts[::stride] for _ in range(stride)]
