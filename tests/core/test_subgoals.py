"""Subgoals: what they are of the data; that they are planned, not carried out, and what critics are asked about."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch
from tests.core.toys import CorridorData, CorridorEnvironment, Quiet, episode, fitted, tiny_recipe
from torch import Tensor

from ttf.agent import PlanningPolicy
from ttf.assemble import run_recipe
from ttf.episodes import make_rows
from ttf.errors import DataError
from ttf.expected import ExpectedActions
from ttf.interfaces.decoder import Decoder, Plan
from ttf.layout import Layout
from ttf.prepare import load_data, take_apart
from ttf.section import GoalConfig, SubgoalConfig
from ttf.trajectories import read_trajectories
from ttf_plugins.gpt import GPTConfig
from ttf_plugins.iql import IQLConfig
from ttf_plugins.prediction_error import PredictionErrorConfig
from ttf_plugins.value_guided import ValueGuidedConfig

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

LEADING = CorridorData(subgoal=SubgoalConfig(dims=[1], steps=3))
LAYOUT = Layout(2, 2, subgoal_columns=(1,))


def test_a_subgoal_is_the_first_part_of_an_action() -> None:
    assert LAYOUT.names == ("observation[0]", "observation[1]", "subgoal[0]", "action[0]", "reward", "value")
    assert (LAYOUT.subgoals, LAYOUT.acts, LAYOUT.actions) == (slice(2, 3), slice(3, 4), slice(2, 4))


@pytest.mark.parametrize("final", [np.array([7, 9], dtype=np.float32), None])
def test_rows_tell_how_the_observation_changes_until_then_or_until_the_last_one(
    final: NDArray[np.float32] | None,
) -> None:
    one = replace(episode(4), final_observation=final)
    seen = [*one.observations] + ([final] if final is not None else [])
    rows = make_rows([one], LAYOUT, LEADING).values
    expected = [seen[min(t + 3, len(seen) - 1)][1] - seen[t][1] for t in range(len(one))]
    np.testing.assert_array_equal(rows[:, 2], np.array(expected, dtype=np.float32))
    np.testing.assert_array_equal(rows[:, [0, 1, 3, 4, 5]], make_rows([one], Layout(2, 1), CorridorData()).values)


def test_critics_and_baselines_learn_from_transitions_without_subgoals() -> None:
    data = load_data(tiny_recipe(data=LEADING), Quiet())
    assert data.rows.layout == LAYOUT
    assert data.whole == Layout(2, 1)


def test_dimensions_are_those_of_the_flattened_observation_without_the_goal() -> None:
    goal = GoalConfig(achieved=[2], desired=[0])
    _, layout = take_apart(CorridorData(goal=goal, subgoal=SubgoalConfig(dims=[2, 1])), 3, 1)
    assert layout == Layout(2, 3, (1,), (1, 0))
    for config, width in ((CorridorData(goal=goal, subgoal=SubgoalConfig(dims=[0])), 3), (LEADING, 1)):
        with pytest.raises(DataError, match=r"^data\.subgoal\.dims: [01] is no dimension of the transitions' observ"):
            take_apart(config, width, 1)


ROWS = make_rows([episode(index) for index in range(30)], LAYOUT, LEADING)
DISCRETIZER = fitted(ROWS)
MODEL = GPTConfig(layers=1, heads=2, width=8, context=4).build(LAYOUT, DISCRETIZER.bins).eval()


@dataclass
class Recording(Decoder):
    """Plans two transitions at random, and remembers."""

    contexts: list[Tensor] = field(default_factory=list)
    plans: list[Tensor] = field(default_factory=list)

    def plan(self, context: Tensor, generator: torch.Generator, goal: Tensor | None = None) -> Plan:
        self.contexts.append(context)
        self.plans.append(torch.randint(0, DISCRETIZER.bins, (len(context), 2, LAYOUT.width), generator=generator))
        return Plan(self.plans[-1], torch.arange(len(context)))


def test_the_subgoal_is_remembered_and_shown_and_the_rest_is_carried_out() -> None:
    decoder = Recording()
    actor = PlanningPolicy(decoder, DISCRETIZER, CorridorEnvironment(), context=3).start(4, seed=0)
    seen = np.random.default_rng(0).normal(size=(4, 2)).astype(np.float32)
    actions = actor.act(seen)
    first = decoder.plans[0]
    np.testing.assert_array_equal(actions, DISCRETIZER.decode(first[:, 0, 3:4], 3).numpy().clip(-1, 1))
    planned = DISCRETIZER.decode(first[..., :2], 0).numpy()
    leads = planned[:, 1].copy()
    leads[:, 1] += DISCRETIZER.decode(first[:, 1, 2:3], 2).numpy()[:, 0]
    np.testing.assert_array_equal(actor.imagined, np.concatenate([planned, leads[:, None]], axis=1))
    actor.observe(np.zeros(4, np.float32))
    actor.act(seen)
    remembered = DISCRETIZER.encode(DISCRETIZER.decode(first[:, 0, 2:3], 2), 2)
    assert torch.equal(decoder.contexts[1][:, 2:3], remembered)


def test_expected_actions_are_those_of_the_subgoal_that_was_planned() -> None:
    context = DISCRETIZER.encode(torch.from_numpy(ROWS.values[:5, :2].copy()), 0)
    chosen = Recording()
    plan = ExpectedActions(chosen, MODEL, DISCRETIZER, context=2, followed=1).plan(context, torch.Generator())
    assert plan.actions is not None
    likely = (
        MODEL(plan.tokens[:, 0, :3])[:, -1, : DISCRETIZER.bins]
        .masked_fill(~DISCRETIZER.live[3], -torch.inf)
        .softmax(-1)
    )
    torch.testing.assert_close(plan.actions[:, 0, 1], DISCRETIZER.expectation(likely, 3))
    assert torch.equal(plan.actions[:, 0, :1], DISCRETIZER.decode(plan.tokens[:, 0, 2:3], 2))


def test_a_run_plans_with_them(tmp_path: Path) -> None:
    recipe = tiny_recipe(
        data=LEADING, critic=IQLConfig(updates=20, hidden=8), decoder=ValueGuidedConfig(horizon=2, beam_width=4)
    )
    run = run_recipe(recipe, runs_dir=tmp_path, resume=False, progress=Quiet())
    assert run.read("run")["layout"]["names"] == list(LAYOUT.names)
    planned = [one for one in read_trajectories(run.trajectories) if one.policy == "value_guided"]
    assert {len(plan) for one in planned for plan in one.plans.values()} <= {1, 2, 3}
    assert all(one.actions is not None and one.actions.shape[1] == 1 for one in planned)


def test_a_run_that_is_told_the_future_is_not_asked_to_predict_it(tmp_path: Path) -> None:
    recipe = tiny_recipe(data=LEADING, analyses=[PredictionErrorConfig(steps=2, members=0)])
    with pytest.raises(DataError, match=r"^analysis 'prediction_error': subgoals tell the future that it asks for; "):
        run_recipe(recipe, runs_dir=tmp_path, resume=False, progress=Quiet())
