"""Goals are taken out of observations, are what episodes came to, and are what recipes can say of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch
from safetensors.numpy import load_file
from tests.core.toys import CorridorData, Quiet, corridor_rows, fitted, tiny_recipe

from ttf.assemble import run_recipe
from ttf.episodes import make_rows
from ttf.errors import DataError, RecipeError
from ttf.goals import GoalColumns, encode_goal
from ttf.interfaces.data import Episode
from ttf.layout import Layout
from ttf.planners import make_planners
from ttf.prepare import load_data, make_critic, make_environment
from ttf.recipe import load
from ttf.run_dir import read_lines
from ttf.section import GoalConfig
from ttf_plugins.beam_search import BeamSearchConfig
from ttf_plugins.gpt import GPTConfig
from ttf_plugins.iql import IQLConfig
from ttf_plugins.quantile import QuantileConfig

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from ttf.interfaces.data import DataSource
    from ttf.interfaces.progress import Progress
    from ttf.registry import Registry

COLUMNS = GoalColumns(GoalConfig(achieved=[3, 0], desired=[1, 4]), 6)
AIM = GoalConfig(achieved=[0], desired=[1])


class AimedData(CorridorData):
    """Walks whose second dimension is where they are to go."""

    def build(self, *, seed: int, progress: Progress) -> DataSource:
        source = super().build(seed=seed, progress=progress)
        for episode in source.episodes():
            episode.observations[:, 1] = 0
        return source


def with_a_goal(observations: NDArray[np.float32]) -> NDArray[np.float32]:
    observations[:, COLUMNS.config.desired] = observations[0, COLUMNS.config.desired]
    return observations


def test_the_goal_is_taken_out_of_the_observation_and_what_it_is_about_is_found_in_the_rest() -> None:
    observations = np.arange(12, dtype=np.float32).reshape(2, 6)
    np.testing.assert_array_equal(observations[:, COLUMNS.seen], [[0, 2, 3, 5], [6, 8, 9, 11]])
    np.testing.assert_array_equal(COLUMNS.wanted(observations), [[1, 4], [7, 10]])
    assert COLUMNS.columns == (2, 0)
    achieved = observations[:, COLUMNS.seen][:, list(COLUMNS.columns)]
    np.testing.assert_array_equal(achieved, observations[:, [3, 0]])


@pytest.mark.parametrize("final", [True, False])
def test_an_episode_comes_to_what_was_seen_last_unless_it_was_told_where_to_go(final: bool) -> None:
    seen = np.arange(24, dtype=np.float32).reshape(4, 6)
    seen[:, COLUMNS.config.desired] = [19, 22]
    last = np.arange(100, 106, dtype=np.float32)
    episode = Episode(seen, seen[:, :1], seen[:, 0], terminated=True, final_observation=last if final else None)
    assert COLUMNS.reached(episode).tolist() == ([103, 100] if final else [21, 18])
    told = GoalColumns(COLUMNS.config.model_copy(update={"learned": "desired"}), 6)
    assert told.reached(episode).tolist() == ([101, 104] if final else [19, 22])


@pytest.mark.parametrize(
    ("achieved", "desired", "message"),
    [
        ([0, 6], [2, 3], "data.goal.achieved: 6 is out of range; an observation has 6 dimensions"),
        ([0, 1], [4, 7], "data.goal.desired: 7 is out of range; an observation has 6 dimensions"),
    ],
)
def test_a_column_that_observations_do_not_have_is_named(achieved: list[int], desired: list[int], message: str) -> None:
    with pytest.raises(DataError) as error:
        GoalColumns(GoalConfig(achieved=achieved, desired=desired), 6)
    assert str(error.value) == message


def test_data_without_the_goals_dimensions_is_refused_before_anything_is_trained() -> None:
    recipe = tiny_recipe(data=CorridorData(goal=GoalConfig(achieved=[0, 1], desired=[2, 3])))
    with pytest.raises(DataError) as error:
        load_data(recipe, Quiet())
    assert str(error.value) == "data.goal.desired: 2 is out of range; an observation has 2 dimensions"


@pytest.mark.parametrize(("learned", "changes"), [("achieved", 3), ("desired", 1)])
def test_a_goal_that_does_not_stay_is_none(learned: str, changes: int) -> None:
    columns = GoalColumns(COLUMNS.config.model_copy(update={"learned": learned}), 6)
    seen = with_a_goal(np.zeros((4, 6), dtype=np.float32))

    def reached(count: int) -> NDArray[np.float32]:
        seen[:, 4] = np.minimum(np.arange(4), count)
        return columns.reached(Episode(seen, seen[:, :1], seen[:, 0], terminated=True))

    reached(changes - 1)
    with pytest.raises(DataError) as error:
        reached(changes)
    times = f"change {changes} times in the 4 steps of an episode; a goal stays"
    assert str(error.value) == f"data.goal.desired: dimensions [1, 4] {times}"


def test_goals_have_the_bins_of_the_columns_that_they_are_about() -> None:
    rows = corridor_rows()
    discretizer = fitted(rows, 12)
    discretizer.layout = Layout(2, 1, (1, 0))
    goals = torch.from_numpy(rows.values[:50, [1, 0]].copy())
    tokens = discretizer.encode(torch.from_numpy(rows.values[:50]))
    assert encode_goal(discretizer, goals).tolist() == tokens[:, [1, 0]].tolist()
    assert not torch.equal(tokens[:, 0], tokens[:, 1])


def test_without_goals_there_are_no_goal_tokens() -> None:
    tokens = encode_goal(fitted(corridor_rows()), torch.zeros(7, 0))
    assert (tokens.shape, tokens.dtype) == ((7, 0), torch.int64)


def test_rows_are_those_of_observations_without_the_goal_and_goals_those_that_episodes_came_to() -> None:
    random = np.random.default_rng(0)
    episodes = [
        Episode(
            with_a_goal(random.normal(size=(length, 6)).astype(np.float32)),
            random.normal(size=(length, 1)).astype(np.float32),
            random.normal(size=length).astype(np.float32),
            terminated=False,
            final_observation=random.normal(size=6).astype(np.float32) if length % 2 else None,
        )
        for length in (3, 2, 5)
    ]
    rows = make_rows(episodes, Layout(4, 1, COLUMNS.columns), CorridorData(), COLUMNS)
    observations = np.concatenate([episode.observations for episode in episodes])
    np.testing.assert_array_equal(rows.values[:, :4], observations[:, [0, 2, 3, 5]])
    ends = [one.observations[-1] if one.final_observation is None else one.final_observation for one in episodes]
    np.testing.assert_array_equal(rows.goals, np.stack(ends)[:, [3, 0]])
    np.testing.assert_array_equal(rows.select(np.array([2, 0])).goals, rows.goals[[2, 0]])


def test_the_environment_has_the_goal_that_the_transitions_have_not() -> None:
    recipe = tiny_recipe(data=AimedData(goal=AIM))
    data = load_data(recipe, Quiet())
    assert (data.rows.layout, data.whole) == (Layout(1, 1, (0,)), Layout(2, 1))
    environment = make_environment(recipe, data)
    assert environment is not None
    assert environment.observation_width == 2


@pytest.mark.parametrize(
    ("dropout", "names"), [(0.1, ["beam_search", "beam_search without goal"]), (0, ["beam_search"])]
)
def test_a_model_that_has_learned_to_do_without_its_goal_is_evaluated_without_it_too(
    dropout: float, names: list[str]
) -> None:
    recipe = tiny_recipe(data=AimedData(goal=AIM.model_copy(update={"dropout": dropout})))
    data = load_data(recipe, Quiet())
    discretizer = QuantileConfig(bins=12).build(data.rows.layout)
    discretizer.fit(torch.from_numpy(data.rows.values))
    model = GPTConfig(layers=1, heads=1, width=8, context=3).build(data.rows.layout, 12)
    environment = make_environment(recipe, data)
    planners = make_planners(recipe, model, discretizer, None, environment, data.goals)
    assert list(planners) == names
    assert [planner.hide_goal for planner in planners.values()] == [False, True][: len(names)]


@pytest.mark.parametrize(("memory", "past"), [(True, 2), (False, 0)])
def test_a_decoder_without_memory_makes_planners_without_a_past(memory: bool, past: int) -> None:
    recipe = tiny_recipe(decoder=BeamSearchConfig(horizon=2, beam_width=2, context=3, memory=memory))
    data = load_data(recipe, Quiet())
    model = GPTConfig(layers=1, heads=1, width=8, context=3).build(data.rows.layout, 12)
    environment = make_environment(recipe, data)
    (planner,) = make_planners(recipe, model, fitted(data.rows), None, environment, None).values()
    assert planner.past == past


def test_a_run_has_the_planner_with_and_without_its_goal_and_whole_plans(tmp_path: Path) -> None:
    recipe = tiny_recipe(data=AimedData(goal=AIM, reward_scale=0.0))
    run = run_recipe(recipe, runs_dir=tmp_path, resume=False, progress=Quiet())
    names = [row["policy"] for row in run.read("result")["policies"]]
    assert names == ["beam_search", "beam_search without goal", "homing"]
    lines = list(read_lines(run.episodes))
    seeds = [[line["seed"] for line in lines if line["policy"] == name] for name in names]
    assert seeds[0] == seeds[1] == seeds[2]
    arrays = load_file(run.trajectories)
    for name in names[:2]:
        plan, seen = arrays[f"{name}/0/plan/0"], arrays[f"{name}/0/observations"]
        assert plan.shape == (3, 2)
        assert (plan[:, 1] == seen[0, 1]).all()  # the goal, which is not planned
    acts = sum(line["steps"] for line in lines if line["policy"] != "homing")
    without = sum(line["steps"] for line in lines if line["policy"] == names[1])
    # place, action and reward of every step, and the goal of those that are told it
    assert run.read("discretizer")["acting"]["encoded"] == 4 * acts - without


def test_a_critic_and_a_goal_are_refused_together() -> None:
    recipe = tiny_recipe(data=AimedData(goal=AIM), critic=IQLConfig())
    with pytest.raises(RecipeError) as error:
        make_critic(recipe, Layout(1, 1, (0,)))
    assert str(error.value) == (
        "critic: a planner that asks one has no goal in its transitions; leave out either it or data.goal"
    )


@pytest.mark.parametrize(
    ("goal", "problem"),
    [
        ("{achieved: [0, 1], desired: [4]}", "data.goal: achieved and desired must be equally long, found 2 and 1"),
        ("{achieved: [0]}", "data.goal: achieved and desired must be equally long, found 1 and 2"),
        ("{achieved: [0, 4], desired: [4, 5]}", "data.goal: dimension 4 cannot be both achieved and desired"),
    ],
)
def test_goals_that_do_not_fit_themselves_are_refused_at_their_place(
    goal: str, problem: str, builtin_registry: Registry, tmp_path: Path
) -> None:
    file = tmp_path / "r.yaml"
    file.write_text(f"name: x\ndata:\n  kind: minari\n  goal: {goal}\n")
    with pytest.raises(RecipeError) as error:
        load(file, builtin_registry)
    assert str(error.value) == f"{file}:4:3: {problem}"


def test_the_defaults_are_those_of_a_position_before_the_goal() -> None:
    fields: dict[str, Any] = GoalConfig().model_dump()
    assert fields == {"achieved": [0, 1], "desired": [2, 3], "learned": "achieved", "dropout": 0.1}
