"""The critic finds the values that are known in closed form; its policy and its update are what they say."""

from __future__ import annotations

import copy
import math
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import pytest
import torch
from tests.core.toys import CorridorEnvironment
from torch import Tensor

from ttf.errors import RecipeError
from ttf.interfaces.learner import Later, Transitions
from ttf.layout import Layout
from ttf.testing import check_baseline, check_critic
from ttf_plugins.iql import IQLConfig, IQLPolicyConfig
from ttf_plugins.iql.iql import IQL

if TYPE_CHECKING:
    from ttf.interfaces.data import DataSource

CELLS, DISCOUNT = 5, 0.9
LEFT, RIGHT = -1.0, 1.0


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"policy": True},
        {"policy": True, "normalise": False, "layers": 1},
        {"subgoal_dims": [0], "policy": True},
        {"subgoal_dims": [0], "subgoal_waves": 3},
    ],
)
def test_the_contract_of_critics_is_kept(fields: dict[str, Any]) -> None:
    check_critic(IQLConfig(hidden=8, updates=10, **fields))


def test_the_contract_of_baselines_is_kept() -> None:
    check_baseline(IQLPolicyConfig())
    learned = IQLConfig(hidden=8, policy=True).build(Layout(2, 1), discount=DISCOUNT)
    check_baseline(IQLPolicyConfig(), critic=learned.eval())


def chain() -> Transitions:
    """Every step, to the left and to the right once, along cells in one-hot form; each costs 1, and the right end ends.

    The left end is a wall.
    """
    cells = torch.arange(CELLS).repeat(2)
    actions = torch.tensor([LEFT, RIGHT]).repeat_interleave(CELLS)
    after = (cells + actions.long()).clamp(min=0)
    seen = torch.eye(CELLS + 1)[:, :CELLS]  # beyond the right end nothing is seen
    return Transitions(seen[cells], actions[:, None], -torch.ones(len(cells)), seen[after], DISCOUNT * (after < CELLS))


def known_values(expectile: float) -> tuple[list[float], list[float], list[float]]:
    """V of every cell, Q of left and Q of right: of two values the expectile is their weighted mean."""
    values = [0.0] * (CELLS + 1)
    for _ in range(500):
        left = [-1 + DISCOUNT * values[max(cell - 1, 0)] for cell in range(CELLS)]
        right = [-1 + DISCOUNT * values[cell + 1] for cell in range(CELLS)]
        better, worse = (list(map(one, left, right)) for one in (max, min))
        values[:CELLS] = [expectile * a + (1 - expectile) * b for a, b in zip(better, worse, strict=True)]
    return values[:CELLS], left, right


def trained(data: Transitions, layout: Layout, updates: int, **fields: Any) -> IQL:  # noqa: ANN401
    torch.manual_seed(0)
    config = IQLConfig(updates=updates, learning_rate=5e-3, hidden=16, target_rate=0.05, **fields)
    critic = IQL(config, layout)
    critic.prepare(data)
    for _ in range(updates):
        critic.update(data)
    return critic.eval().requires_grad_(requires_grad=False)


@pytest.mark.parametrize("expectile", [0.5, 0.9])
def test_on_a_chain_values_are_those_of_the_behaviour_or_of_better_actions_as_the_expectile_says(
    expectile: float,
) -> None:
    data, layout = chain(), Layout(CELLS, 1)
    critic = trained(data, layout, 1500, expectile=expectile)
    values, left, right = known_values(expectile)
    np.testing.assert_allclose(critic.value(data.observations[:CELLS]), values, atol=0.1)
    np.testing.assert_allclose(critic.action_value(data.observations, data.actions), left + right, atol=0.1)


def test_the_two_cases_above_are_different_problems() -> None:
    assert known_values(0.5)[0][0] < -8
    assert known_values(0.9)[0][0] > -5.5
    distances = np.arange(CELLS, 0, -1)
    np.testing.assert_allclose(known_values(1.0)[0], -(1 - DISCOUNT**distances) / (1 - DISCOUNT))


def test_the_policy_walks_to_the_goal_where_the_behaviour_does_not() -> None:
    data, layout = chain(), Layout(CELLS, 1)
    actions = {}
    for beta in (0.0, 10.0):
        policy = trained(data, layout, 800, expectile=0.9, policy=True, beta=beta).policy()
        assert policy is not None
        actions[beta] = policy.start(CELLS, 0).act(data.observations[:CELLS].numpy())
    np.testing.assert_allclose(actions[0.0], np.zeros((CELLS, 1)), atol=0.1)  # as often left as right
    np.testing.assert_array_less(0.8, actions[10.0])


def sample(seed: int = 0, rows: int = 64) -> Transitions:
    random = torch.Generator().manual_seed(seed)
    observations, following = 5 + 3 * torch.randn(2, rows, 2, generator=random)
    actions = torch.tensor([-0.2, 10.0]) + torch.rand(rows, 2, generator=random) * torch.tensor([0.4, 20.0])
    return Transitions(observations, actions, torch.randn(rows, generator=random), following, torch.full((rows,), 0.9))


def small(**fields: Any) -> IQL:  # noqa: ANN401
    torch.manual_seed(0)
    critic = IQL(IQLConfig(hidden=8, **{"policy": True} | fields), Layout(2, 2))
    critic.prepare(sample())
    return critic


def test_observations_are_normalised_and_actions_scaled_by_their_range() -> None:
    data, scaling = sample(), small().scaling
    torch.testing.assert_close(scaling.observations(data.observations).mean(0), torch.zeros(2), atol=1e-5, rtol=0)
    deviations = scaling.observations(data.observations).std(0, correction=0)
    torch.testing.assert_close(deviations, torch.ones(2), atol=1e-3, rtol=0)
    scaled = scaling.actions(data.actions)
    torch.testing.assert_close(torch.stack(scaled.aminmax(dim=0)), torch.tensor([[-1.0, -1.0], [1.0, 1.0]]))
    torch.testing.assert_close(scaling.unscaled_actions(scaled), data.actions)


def test_observations_are_left_alone_where_the_recipe_says_so() -> None:
    data = sample()
    assert torch.equal(small(normalise=False).scaling.observations(data.observations), data.observations)


def test_actions_that_never_vary_stay_finite() -> None:
    data = sample()
    critic = small()
    critic.prepare(data._replace(actions=torch.full_like(data.actions, 3.0)))
    assert torch.equal(critic.scaling.actions(data.actions.new_full((1, 2), 3.0)), torch.zeros(1, 2))


def test_no_loss_reaches_the_networks_of_another_one() -> None:
    critic = small()
    own = {"value_loss": critic.v, "q_loss": critic.q, "policy_loss": critic.gaussian}
    losses = critic.losses(sample())
    assert losses.keys() == own.keys()
    for name, loss in losses.items():
        network = own[name]
        assert network is not None
        critic.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]  # torch leaves it untyped
        reached = {key for key, parameter in critic.named_parameters() if parameter.grad is not None}
        assert {id(p) for p in network.parameters()} == {id(critic.get_parameter(key)) for key in reached}, name


def test_an_update_steps_every_network_by_adam_and_the_averages_towards_the_new_weights() -> None:
    critic, data = small(target_rate=0.1), sample()
    before = copy.deepcopy(critic)
    for _ in range(2):
        critic.update(data)
    theirs = [torch.optim.Adam(part.parameters(), lr=3e-4) for part in (before.q, before.v, before.gaussian) if part]
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(theirs[2], before.config.updates)
    for _ in range(2):
        for loss in before.losses(data).values():
            loss.backward()  # type: ignore[no-untyped-call]  # torch leaves it untyped
        for adam in theirs:
            adam.step()
            adam.zero_grad()
        schedule.step()
        for average, parameter in zip(before.averaged_q.parameters(), before.q.parameters(), strict=True):
            average.data = 0.9 * average.data + 0.1 * parameter.data
    for name, tensor in before.named_parameters():
        torch.testing.assert_close(critic.get_parameter(name), tensor, msg=name)


def test_the_policys_rate_falls_as_a_cosine_over_the_updates_and_the_others_stay() -> None:
    critic, rates = small(updates=8, learning_rate=0.01), []
    for _ in range(8):
        critic.update(sample())
        rates.append([group["lr"] for group in critic.optimizers()["adam"].param_groups])
    cosine = [0.005 * (1 + math.cos(math.pi * step / 8)) for step in range(8)]
    np.testing.assert_allclose(rates, [[0.01, rate] for rate in cosine])


def test_what_planners_are_told_is_the_smaller_average() -> None:
    critic, data = small(), sample()
    for _ in range(3):
        critic.update(data)
    inputs = torch.cat([critic.scaling.observations(data.observations), critic.scaling.actions(data.actions)], -1)
    one, other = critic.averaged_q(inputs)
    told = critic.action_value(data.observations, data.actions)
    assert torch.equal(told, torch.minimum(one, other))
    assert (one < other).any()
    assert (other < one).any()


def test_values_and_actions_have_the_shape_of_what_is_asked() -> None:
    critic = small()
    observations, actions = torch.randn(3, 4, 2), torch.randn(3, 4, 2)
    assert critic.value(observations).shape == (3, 4)
    assert critic.action_value(observations, actions).shape == (3, 4)


def walks() -> Transitions:
    """Steps along cells, whose number is the first dimension; the second is noise. All go on to a cell two away.

    A step costs 1; beyond the last cell it is over.
    """
    cells = torch.arange(CELLS).repeat(40)
    direction = torch.tensor([-2, 2]).repeat_interleave(len(cells) // 2)
    random = torch.Generator().manual_seed(0)
    noise = torch.randn(2, len(cells), generator=random)
    after = (cells + direction).clamp(min=0)
    steps = (CELLS - cells).clamp(max=2)  # to the end, or two
    right = direction > 0
    rewards = torch.where(right & (steps == 1), -1.0, -1.0 - DISCOUNT)
    over = right & (cells + 2 >= CELLS)
    later = Later(rewards, torch.stack([after.float(), noise[1]], 1), torch.where(over, 0.0, DISCOUNT**2))
    seen = torch.stack([cells.float(), noise[0]], 1)
    return Transitions(seen, direction[:, None].float(), -torch.ones(len(cells)), seen, torch.zeros(len(cells)), later)


@pytest.mark.parametrize("expectile", [0.5, 0.9])
def test_values_of_subgoals_are_expectiles_of_what_came_later(expectile: float) -> None:
    data = walks()
    critic = trained(data, Layout(2, 1), 1500, expectile=expectile, subgoal_dims=[0])
    values = [0.0] * CELLS
    for _ in range(500):
        left = [-1 - DISCOUNT + DISCOUNT**2 * values[max(cell - 2, 0)] for cell in range(CELLS)]
        right = [-1 - DISCOUNT + DISCOUNT**2 * values[cell + 2] for cell in range(CELLS - 2)] + [-1 - DISCOUNT, -1.0]
        values = [expectile * max(x) + (1 - expectile) * min(x) for x in zip(left, right, strict=True)]
    np.testing.assert_allclose(critic.subgoal_value(data.observations[:CELLS]), values, atol=0.1)
    other = data.observations.clone()
    other[:, 1] += 3.0
    assert torch.equal(critic.subgoal_value(other), critic.subgoal_value(data.observations))
    assert not torch.equal(critic.value(data.observations), critic.subgoal_value(data.observations))


def test_values_made_of_waves_are_the_same_where_data_is_and_do_not_rise_where_none_is() -> None:
    data = walks()
    plain, wavy = (trained(data, Layout(2, 1), 1500, subgoal_dims=[0], subgoal_waves=waves) for waves in (0, 4))
    seen = data.observations[:CELLS]
    np.testing.assert_allclose(wavy.subgoal_value(seen), plain.subgoal_value(seen), atol=0.2)
    period = torch.tensor([8 * float(wavy.scaling.deviation[0]), 0.0])
    torch.testing.assert_close(wavy.subgoal_value(seen + period), wavy.subgoal_value(seen), atol=1e-3, rtol=0)
    assert float((plain.subgoal_value(seen + period) - plain.subgoal_value(seen)).abs().min()) > 0.01
    assert torch.equal(wavy.subgoal_value(seen + torch.tensor([0.0, 3.0])), wavy.subgoal_value(seen))


def test_values_of_subgoals_change_nothing_else() -> None:
    data = walks()
    chosen: tuple[dict[str, Any], ...] = ({"subgoal_dims": [0]}, {})
    with_them, without = (trained(data, Layout(2, 1), 20, **fields) for fields in chosen)
    torch.testing.assert_close(with_them.q.state_dict(), without.q.state_dict())
    assert torch.equal(without.subgoal_value(data.observations), without.value(data.observations))


def test_values_of_subgoals_need_subgoals() -> None:
    critic = IQL(IQLConfig(hidden=8, subgoal_dims=[1]), Layout(2, 2))
    with pytest.raises(RecipeError, match=r"^critic\.subgoal_dims: the data has no subgoals; set data\.subgoal too$"):
        critic.prepare(sample())


def test_a_dimension_that_no_observation_has_is_one_clear_line() -> None:
    message = r"^critic\.subgoal_dims: 2 is out of range; an observation has 2 dimensions$"
    with pytest.raises(RecipeError, match=message):
        IQL(IQLConfig(subgoal_dims=[0, 2]), Layout(2, 2))


def test_the_policy_acts_alike_whatever_the_seed_and_the_batch_and_within_the_range_of_the_data() -> None:
    critic = small()
    with torch.no_grad():
        for parameter in critic.parameters():
            parameter.mul_(5)
    policy = critic.policy()
    assert policy is not None
    seen = (10 * torch.randn(50, 2)).double().numpy().astype(np.float32)
    actions = policy.start(50, 0).act(seen)
    assert actions.dtype == np.float32
    np.testing.assert_array_equal(actions, policy.start(50, 1).act(seen))
    actor = policy.start(50, 0)
    actor.keep(np.arange(3))
    np.testing.assert_allclose(actor.act(seen[:3]), actions[:3], rtol=1e-5)
    data = sample().actions.numpy()
    assert (actions >= data.min(0) - 1e-4).all()
    assert (actions <= data.max(0) + 1e-4).all()
    assert np.ptp(actions[:, 1]) > 5


def baseline(critic: IQL | None) -> object:
    return IQLPolicyConfig().build(cast("DataSource", None), CorridorEnvironment(), critic=critic)


def test_the_baseline_is_the_critics_policy() -> None:
    critic = small()
    policy, seen = baseline(critic), np.zeros((2, 2), np.float32)
    own = critic.policy()
    assert own is not None
    np.testing.assert_array_equal(policy.start(2, 0).act(seen), own.start(2, 0).act(seen))  # type: ignore[attr-defined]


@pytest.mark.parametrize("critic", [None, small(policy=False)])
def test_a_critic_without_a_policy_is_one_clear_line(critic: IQL | None) -> None:
    with pytest.raises(RecipeError) as error:
        baseline(critic)
    assert str(error.value) == "baseline 'iql' needs a critic that learns a policy: set critic.policy to true"


def test_without_a_policy_none_is_trained() -> None:
    critic = small(policy=False)
    assert critic.update(sample()).keys() == {"value_loss", "q_loss"}
    assert [len(group["params"]) for group in critic.optimizers()["adam"].param_groups] == [18]
    assert isinstance(critic.value(torch.zeros(2)), Tensor)
