"""What the planner is shown is what happened, recomputed here episode by episode."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from tests.core.toys import CorridorData, CorridorEnvironment, corridor_rows, episode, fitted
from torch import Tensor

from ttf.agent import PlanningPolicy
from ttf.episodes import make_rows
from ttf.goals import GoalColumns
from ttf.holding import HoldingPolicy
from ttf.interfaces.decoder import Decoder, Plan
from ttf.interfaces.policy import Policy
from ttf.layout import Layout
from ttf.section import GoalConfig

ROWS = corridor_rows()
LAYOUT, DISCRETIZER = ROWS.layout, fitted(ROWS)
TOP_VALUE = int(DISCRETIZER.live[LAYOUT.value].nonzero().max())


@dataclass
class Recording(Decoder):
    """Plans at random, and remembers what it was shown and what it said."""

    horizon: int
    contexts: list[Tensor] = field(default_factory=list)
    plans: list[Tensor] = field(default_factory=list)
    goals: list[Tensor | None] = field(default_factory=list)

    def plan(self, context: Tensor, generator: torch.Generator, goal: Tensor | None = None) -> Plan:
        shape = (len(context), self.horizon, LAYOUT.width)
        tokens = torch.randint(0, DISCRETIZER.bins, shape, generator=generator)
        self.contexts.append(context.clone())
        self.plans.append(tokens)
        self.goals.append(goal)
        return Plan(tokens, torch.arange(len(context)))


@dataclass
class Past:
    """One episode: observation, executed action and reward of every transition so far."""

    row: int
    transitions: list[tuple[NDArray[np.float32], float, float]] = field(default_factory=list)

    def tokens(self, observation: NDArray[np.float32], count: int) -> list[int]:
        """The last transitions and the present observation."""
        flat: list[int] = []
        for seen, action, reward in self.transitions[-count:]:
            flat += encoded(seen, 0) + encoded(np.array([action]), 2) + encoded(np.array([reward]), 3) + [TOP_VALUE]
        return flat + encoded(observation, 0)


def encoded(values: NDArray[np.floating], at: int) -> list[int]:
    tokens: list[int] = DISCRETIZER.encode(torch.tensor(np.asarray(values, dtype=np.float32)), at).tolist()
    return tokens


def decoded_action(token: int) -> float:
    return float(DISCRETIZER.decode(torch.tensor([token]), 2))


def policy(decoder: Decoder, context: int = 4, plan_every: int = 1) -> PlanningPolicy:
    environment = CorridorEnvironment()
    environment.action_low, environment.action_high = np.array([-0.5], np.float32), np.array([0.3], np.float32)
    return PlanningPolicy(decoder, DISCRETIZER, environment, context=context, plan_every=plan_every)


def held(policy: Policy, stride: int) -> HoldingPolicy:
    return HoldingPolicy(policy, CorridorData(stride=stride, discount=0.9))


@pytest.mark.parametrize("seed", range(8))
def test_contexts_are_the_tokens_of_the_last_transitions_and_actions_those_of_the_plan(seed: int) -> None:
    random = np.random.default_rng(seed)
    horizon, every, context = (int(random.integers(low, 5)) for low in (1, 1, 2))
    decoder, episodes = Recording(horizon), [Past(row) for row in range(5)]
    actor = policy(decoder, context, every).start(5, seed=seed)
    followed = every_plan = min(every, horizon)
    planned = torch.zeros(0)
    for _ in range(15):
        observations = random.normal(0, 3, size=(len(episodes), 2)).astype(np.float32)
        actions = actor.act(observations)
        if followed == every_plan:
            expected = [one.tokens(seen, context - 1) for one, seen in zip(episodes, observations, strict=True)]
            assert decoder.contexts.pop().tolist() == expected
            planned, followed = decoder.plans.pop(), 0
            imagined = DISCRETIZER.decode(planned[..., :2], 0).numpy()
            np.testing.assert_array_equal(actor.imagined, imagined)
        else:
            assert actor.imagined is None
        assert decoder.contexts == []
        wanted = [np.clip(decoded_action(int(plan[followed, 2])), -0.5, np.float32(0.3)) for plan in planned]
        np.testing.assert_array_equal(actions[:, 0], np.array(wanted, dtype=np.float32))
        followed += 1
        rewards = random.normal(-2, 2, size=len(episodes)).astype(np.float32)
        actor.observe(rewards)
        for one, seen, action, reward in zip(episodes, observations, actions[:, 0], rewards, strict=True):
            one.transitions.append((seen, float(action), float(reward)))
        rows = np.flatnonzero(random.random(len(episodes)) < 0.95)
        actor.keep(rows)
        episodes, planned = [episodes[row] for row in rows], planned[torch.from_numpy(rows)]


def test_the_published_clipping_and_dropping_out_really_happen_above() -> None:
    values = [decoded_action(token) for token in range(DISCRETIZER.bins)]
    assert min(values) < -0.5
    assert max(values) > 0.3


def test_past_values_are_the_highest_even_where_returns_exceed_a_million() -> None:
    walks = [replace(walk, rewards=walk.rewards * np.float32(1e7)) for walk in map(episode, range(30))]
    rich = make_rows([replace(walk, rewards=-walk.rewards) for walk in walks], LAYOUT, CorridorData())
    assert rich.values[:, LAYOUT.value].max() > 2e7
    discretizer, decoder = fitted(rich), Recording(horizon=1)
    actor = PlanningPolicy(decoder, discretizer, CorridorEnvironment(), context=2).start(1, seed=0)
    for _ in range(2):
        actor.act(np.zeros((1, 2), np.float32))
        actor.observe(np.zeros(1, np.float32))
    assert decoder.contexts[1][0, LAYOUT.value] == discretizer.live[LAYOUT.value].nonzero().max()


def test_an_action_is_held_for_a_stride_and_its_rewards_are_summed() -> None:
    decoder, random = Recording(horizon=2), np.random.default_rng(0)
    actor = held(policy(decoder, context=3), 3).start(2, seed=0)
    episodes = [Past(row) for row in range(2)]
    for _ in range(4):
        first = random.normal(size=(2, 2)).astype(np.float32)
        rewards = random.normal(-2, 2, size=(3, 2)).astype(np.float32)
        acts = []
        for step in range(3):
            acts.append(actor.act(first if step == 0 else random.normal(size=(2, 2)).astype(np.float32)))
            assert (actor.imagined is None) == (step > 0)
            actor.observe(rewards[step])
        assert decoder.contexts.pop().tolist() == [
            one.tokens(seen, 2) for one, seen in zip(episodes, first, strict=True)
        ]
        assert decoder.contexts == []
        np.testing.assert_array_equal(acts, [acts[0]] * 3)
        total = rewards[0] + np.float32(0.9) * rewards[1] + np.float32(0.81) * rewards[2]
        for one, seen, action, reward in zip(episodes, first, acts[0][:, 0], total, strict=True):
            one.transitions.append((seen, float(action), float(reward)))


def test_episodes_may_drop_out_while_an_action_is_held() -> None:
    decoder = Recording(horizon=1)
    actor = held(policy(decoder, context=2), 2).start(3, seed=0)
    observations = np.arange(6, dtype=np.float32).reshape(3, 2)
    actions = actor.act(observations)
    actor.observe(np.array([-1, -2, -3], np.float32))
    actor.keep(np.array([2, 0]))
    np.testing.assert_array_equal(actor.act(observations[:2]), actions[[2, 0]])
    actor.observe(np.array([-1, -2], np.float32))
    actor.act(observations[:2])
    expected: list[list[int]] = []
    for row, reward in ((2, -3 + 0.9 * -1), (0, -1 + 0.9 * -2)):
        past = Past(row, [(observations[row], float(actions[row, 0]), reward)])
        expected.append(past.tokens(observations[len(expected)], 1))
    assert decoder.contexts[-1].tolist() == expected


def test_a_planner_that_sees_nothing_of_the_past_is_shown_the_present_only() -> None:
    decoder, random = Recording(1), np.random.default_rng(0)
    actor = policy(decoder, context=1).start(2, seed=0)
    for _ in range(3):
        observations = random.normal(size=(2, 2)).astype(np.float32)
        actor.act(observations)
        assert decoder.contexts[-1].tolist() == [encoded(seen, 0) for seen in observations]
        actor.observe(np.zeros(2, np.float32))


@pytest.mark.parametrize("hide", [False, True])
def test_goals_are_told_unless_hidden_and_what_is_imagined_is_whole_again(hide: bool) -> None:
    columns = GoalColumns(GoalConfig(achieved=[3, 0], desired=[1, 2]), 4)
    discretizer = fitted(ROWS)
    discretizer.layout = Layout(2, 1, columns.columns)
    decoder, random = Recording(horizon=3), np.random.default_rng(0)
    one = PlanningPolicy(decoder, discretizer, CorridorEnvironment(), context=2, goals=columns, hide_goal=hide)
    actor = one.start(5, seed=0)
    kept = np.array([4, 1, 2])
    for rows in (np.arange(5), kept):
        observations = random.normal(0, 3, size=(len(rows), 4)).astype(np.float32)
        actor.act(observations)
        assert decoder.contexts[-1][:, -2:].tolist() == [encoded(seen, 0) for seen in observations[:, [0, 3]]]
        goal = decoder.goals[-1]
        if hide:
            assert goal is None
        else:  # wanted of column 3 is in column 1, and is the second of a transition
            wanted = [[encoded(seen[[1]], 1)[0], encoded(seen[[2]], 0)[0]] for seen in observations]
            assert goal is not None
            assert goal.tolist() == wanted
        imagined = actor.imagined
        assert imagined is not None
        planned = DISCRETIZER.decode(decoder.plans[-1][..., :2], 0).numpy()
        np.testing.assert_array_equal(imagined[..., [0, 3]], planned)
        np.testing.assert_array_equal(imagined[..., [1, 2]], observations[:, None, [1, 2]].repeat(3, axis=1))
        actor.observe(np.zeros(len(rows), np.float32))
        if len(rows) == 5:
            actor.keep(kept)
    assert one.clips.encoded == (5 + 3) * (2 + 1 + 1 + (0 if hide else 2))  # observation, action, reward, goal


def test_the_seed_alone_decides() -> None:
    observations = np.zeros((4, 2), np.float32)
    acts = [policy(Recording(3)).start(4, seed=seed).act(observations) for seed in (1, 1, 2)]
    np.testing.assert_array_equal(acts[0], acts[1])
    assert (acts[0] != acts[2]).any()


def test_the_plan_s_own_actions_are_taken_and_remembered() -> None:
    class Acting(Recording):
        def plan(self, context: Tensor, generator: torch.Generator, goal: Tensor | None = None) -> Plan:
            actions = torch.linspace(-0.4, 0.2, len(context) * self.horizon).view(len(context), self.horizon, 1)
            return replace(super().plan(context, generator, goal), actions=actions)

    decoder = Acting(horizon=2)
    actor = policy(decoder, plan_every=2).start(3, seed=0)
    observations = ROWS.values[:3, LAYOUT.observations]
    taken = torch.linspace(-0.4, 0.2, 6).view(3, 2).numpy()
    np.testing.assert_array_equal(actor.act(observations)[:, 0], taken[:, 0])
    actor.observe(np.zeros(3, np.float32))
    actor.keep(np.array([2, 0]))
    np.testing.assert_array_equal(actor.act(observations[[2, 0]])[:, 0], taken[[2, 0], 1])
    actor.observe(np.zeros(2, np.float32))
    actor.act(observations[[2, 0]])
    remembered = decoder.contexts[1][:, LAYOUT.actions.start].tolist()
    assert remembered == [encoded(taken[row, [0]], 2)[0] for row in (2, 0)]


def test_numbers_beyond_the_bins_are_clipped_and_counted() -> None:
    one = policy(Recording(1), context=2)
    actor = one.start(1, seed=0)
    actor.act(np.array([[1e6, 0.0]], np.float32))
    actor.observe(np.array([-1e6], np.float32))
    outside_actions = one.clips.clipped - 2
    assert outside_actions in (0, 1)
    assert one.clips.encoded == 2 + 1 + 1
    actor.act(np.array([[0.0, 0.0]], np.float32))
    assert one.clips.encoded == 7


def test_everyone_may_drop_out() -> None:
    actor = policy(Recording(2)).start(2, seed=0)
    actor.act(np.zeros((2, 2), np.float32))
    actor.observe(np.zeros(2, np.float32))
    actor.keep(np.array([], dtype=np.int64))


def test_nothing_is_imagined_after_the_end_of_a_plan() -> None:
    class Ends(Recording):
        def plan(self, context: Tensor, generator: torch.Generator, goal: Tensor | None = None) -> Plan:
            plan = super().plan(context, generator, goal)
            plan.tokens[0, 2:] = DISCRETIZER.stop
            return plan

    actor = policy(Ends(4)).start(2, seed=0)
    actor.act(np.zeros((2, 2), dtype=np.float32))
    assert actor.imagined is not None
    assert np.isnan(actor.imagined).all(axis=2).tolist() == [[False, False, True, True], [False] * 4]
