"""The analysis asks all predictors the same, and says what comes out with intervals over episodes."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch
from tests.core.toys import Quiet, tiny_recipe
from tests.plugins.prediction_error.worlds import BINS, LAYOUT, KnowingModel, WorldData, fitted, subject, world
from torch import Tensor, nn

from ttf.analyse import make_subject
from ttf.episodes import Rows
from ttf.errors import DataError
from ttf.findings import Estimate, Findings
from ttf.layout import Layout
from ttf.prepare import load_data
from ttf.section import GoalConfig
from ttf.testing import check_analysis
from ttf.testing.corridor import CorridorConfig
from ttf.testing.stand_ins import BagConfig, made
from ttf.testing.stand_ins import fitted as fitted_ranks
from ttf_plugins.gpt import GPTConfig
from ttf_plugins.prediction_error import PredictionErrorConfig, prediction_error
from ttf_plugins.prediction_error.ensemble import EnsemblePredictor, pairs_of
from ttf_plugins.prediction_error.question import Answer, Question, ask
from ttf_plugins.prediction_error.sequence import SequencePredictor

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ttf.interfaces.analysis import Subject
    from ttf.interfaces.progress import Progress

TRAINING, HELD_OUT = world(20, 30, seed=0), world(6, 25, seed=1)
SMALL: dict[str, Any] = {"steps": 12, "starts": 9, "rollouts": 2, "hidden": 8, "layers": 1, "updates": 20}


@pytest.mark.parametrize("fields", [{}, {"actions": "model"}, {"sample": False, "members": 0}])
def test_the_contract_of_analyses_is_kept(fields: dict[str, Any]) -> None:
    check_analysis(PredictionErrorConfig(**(SMALL | {"steps": 2, "members": 2} | fields)))


def run(about: Subject | None = None, **fields: Any) -> Findings:  # noqa: ANN401
    about = about or subject(TRAINING, HELD_OUT, KnowingModel(context=3))
    analysis = PredictionErrorConfig(**(SMALL | fields)).build()
    assert analysis.check(about) is None
    return analysis.run(about, seed=0, progress=Quiet())


def refused(about: Subject, **fields: Any) -> str:  # noqa: ANN401
    """What is said of a subject that cannot answer, before it is asked."""
    with pytest.raises(DataError) as error:
        PredictionErrorConfig(**(SMALL | fields)).build().check(about)
    return str(error.value)


def test_model_markovian_variant_and_ensemble_stand_beside_one_another() -> None:
    found = run()
    error, likelihood = found.tables
    names = ["KnowingModel", "KnowingModel, one transition", "ensemble", "ensemble, in range"]
    differences = [f"KnowingModel minus {name}" for name in names[2:]]
    assert error.columns == likelihood.columns == ["transitions ahead", *names, *differences]
    assert [row[0] for row in error.rows] == [1, 2, 5, 10, 12]
    for row in error.rows:
        assert row[1] == Estimate(0.0, 0.0, 0.0)  # it knows
        for cell in row[2:5]:
            assert isinstance(cell, Estimate)
            assert cell.low is not None
            assert cell.high is not None
            assert 0 < cell.low <= cell.estimate <= cell.high
        ensemble, difference = row[3], row[5]
        assert isinstance(ensemble, Estimate)
        assert isinstance(difference, Estimate)
        assert difference.estimate == -ensemble.estimate
    figure, likely = found.lines
    assert [series.name for series in figure.series] == [*names, "mean of the data", "random state of the data"]
    assert [series.name for series in likely.series] == names
    assert all(series.x == list(range(1, 13)) for series in (*figure.series, *likely.series))
    table = {row[0]: row for row in error.rows}
    for column, series in enumerate(figure.series[:4], start=1):
        assert series.y[4] == getattr(table[5][column], "estimate", None)
    assert "After 12 transitions the mean error is: KnowingModel 0 [0, 0]; " in found.text
    assert found.text.startswith("From 9 starts in 6 held-out episodes 12 transitions are predicted, with 2 sampled")


def test_the_references_are_the_errors_of_the_mean_and_of_random_states_of_the_training_data() -> None:
    asked = ask(subject(TRAINING, HELD_OUT), PredictionErrorConfig(**SMALL), 2)
    observed = TRAINING.values[:, LAYOUT.observations].astype(np.float64)
    *_, mean, random = run().lines[0].series
    assert mean.dashed
    assert random.dashed
    distance = np.abs(asked.truth.numpy() - observed.mean(0)) / observed.std(0)
    assert mean.y == pytest.approx(distance.mean((0, 2)).tolist(), rel=1e-5)
    distances = np.abs(asked.truth.numpy()[:, :, None] - observed) / observed.std(0)  # (S, steps, N, O)
    assert random.y == pytest.approx(distances.mean((0, 2, 3)).tolist(), rel=1e-5)


def test_random_states_of_a_gaussian_are_farther_from_it_than_its_mean() -> None:
    values = np.random.default_rng(0).normal(3, 2, (4000, LAYOUT.width)).astype(np.float32)
    rows = Rows(LAYOUT, values, np.full(40, 100), np.zeros(40, np.bool_), np.zeros((40, 0), np.float32))
    asked = ask(subject(rows), PredictionErrorConfig(steps=50, starts=1000), 1)
    assert float(asked.random_errors().mean()) == pytest.approx(2 / math.sqrt(math.pi), rel=0.02)
    mean = asked.mean.expand(*asked.truth.unsqueeze(1).shape)
    assert float(asked.errors(mean).mean()) == pytest.approx(math.sqrt(2 / math.pi), rel=0.02)


def test_the_same_seed_finds_the_same() -> None:
    assert json.dumps(run().as_json(), allow_nan=False) == json.dumps(run().as_json(), allow_nan=False)


def test_a_model_that_acts_itself_has_no_likelihood() -> None:
    found = run(actions="model")
    assert len(found.tables) == len(found.lines) == 1
    assert "the model samples actions, as the ensemble does" in found.text


def test_the_title_says_whose_actions_were_taken() -> None:
    titles = [run(actions=actions, members=0).title for actions in ("recorded", "model")]
    assert titles == [
        f"How far ahead the model predicts: {name}" for name in ("recorded actions", "actions of its own")
    ]


def test_the_ensemble_does_what_the_model_did(monkeypatch: pytest.MonkeyPatch) -> None:
    done: list[Tensor] = []

    class Watched(EnsemblePredictor):  # type: ignore[misc]  # final, but for a test
        def predict(self, question: Question, seed: int, progress: Progress) -> Answer:
            answer = super().predict(question, seed, progress)
            done.append(answer.actions)
            return answer

    monkeypatch.setattr(prediction_error, "EnsemblePredictor", Watched)
    about, model = subject(TRAINING, HELD_OUT), KnowingModel(context=3)
    for actions in ("recorded", "model"):
        config = PredictionErrorConfig(**(SMALL | {"actions": actions}))
        asked = ask(about, config, 2)
        chosen = SequencePredictor(model, fitted(), 3).predict(asked, 0, Quiet()).actions
        assert chosen.equal(asked.actions) == (actions == "recorded")
        run(replace(about, model=model), actions=actions)
        assert [taken.equal(chosen) for taken in done] == [True, True]
        done.clear()


def test_the_ensemble_can_be_left_out_and_a_markovian_model_has_no_variant() -> None:
    found = run(subject(TRAINING, HELD_OUT, KnowingModel(context=2, memory=False)), members=0)
    assert found.tables[0].columns == ["transitions ahead", "KnowingModel"]
    assert "ensemble" not in found.text


def test_one_episode_gives_no_interval() -> None:
    found = run(subject(TRAINING, HELD_OUT.select(np.arange(1)), KnowingModel(context=3)), members=0)
    series = found.lines[0].series[0]
    assert (series.low, series.high) == (None, None)
    assert found.tables[0].rows[0][1] == Estimate(0.0)


def test_starts_are_spread_over_the_episodes_and_leave_room_for_history_and_steps() -> None:
    asked = ask(subject(TRAINING, HELD_OUT), PredictionErrorConfig(steps=12, starts=30), 4)
    assert asked.recorded.shape == (30, 4 + 1 + 12, LAYOUT.width)
    assert sorted(set(asked.episodes.tolist())) == list(range(6))
    places = {tuple(one[0].tolist()) for one in asked.recorded}
    assert len(places) > 20
    everything = ask(subject(TRAINING, HELD_OUT), PredictionErrorConfig(steps=12, starts=10_000), 4)
    assert len(everything.recorded) == 6 * (25 - 16)


def test_with_a_stride_transitions_are_as_far_apart() -> None:
    asked = ask(subject(TRAINING, HELD_OUT, stride=3), PredictionErrorConfig(steps=5, starts=4), 1)
    episode, first = int(asked.episodes[1]), asked.recorded[1]
    recorded = torch.from_numpy(HELD_OUT.values).view(6, 25, -1)[episode]
    starts = [start for start in range(25 - 18) if recorded[start : start + 19 : 3].equal(first)]
    assert len(starts) == 1


def test_constant_dimensions_count_nowhere() -> None:
    spoiled = TRAINING.values.copy()
    spoiled[:, 1] = 3
    constant = type(TRAINING)(LAYOUT, spoiled, TRAINING.lengths, TRAINING.terminated, TRAINING.goals)
    asked = ask(subject(constant, HELD_OUT), PredictionErrorConfig(**SMALL), 2)
    assert asked.varying.tolist() == [True, False]
    far = asked.truth.unsqueeze(1) + torch.tensor([0.0, 100.0])
    assert asked.errors(far).tolist() == [[0.0] * 12] * 9
    assert asked.random_errors().isfinite().all()
    near = asked.truth.unsqueeze(1) + torch.tensor([1.0, 0.0])
    deviation = float(constant.values[:, 0].astype(np.float64).std())
    assert asked.errors(near).flatten().tolist() == pytest.approx([1 / deviation] * 108, rel=1e-5)
    found = run(subject(constant, None, KnowingModel(context=3)))
    assert "Dimensions of the state that are constant, 1 of them, are left out." in found.text


@pytest.mark.parametrize(("stride", "needed"), [(1, 33), (2, 65)])
def test_episodes_that_are_too_short_are_named_in_a_line(stride: int, needed: int) -> None:
    assert refused(subject(TRAINING, HELD_OUT, KnowingModel(context=3), stride=stride), steps=30) == (
        "prediction_error: no episode is long enough: 2 transitions of history, a start and 30 steps need "
        f"{needed} recorded steps, the longest of the held-out episodes has 25; lower steps"
    )


def test_a_state_that_never_changes_is_named_in_a_line() -> None:
    still = TRAINING.values.copy()
    still[:, :2] = 3
    about = type(TRAINING)(LAYOUT, still, TRAINING.lengths, TRAINING.terminated, TRAINING.goals)
    assert refused(subject(about, HELD_OUT, KnowingModel(context=3))) == (
        "prediction_error: every dimension of the state is constant in the training data: nothing to predict"
    )


def test_subgoals_are_refused_as_they_tell_what_is_to_come() -> None:
    about = subject(TRAINING, HELD_OUT, KnowingModel(context=3))
    layout = Layout(LAYOUT.observation, LAYOUT.action, subgoal_columns=(0,))
    assert refused(replace(about, training=replace(TRAINING, layout=layout))) == (
        "analysis 'prediction_error': subgoals tell the future that it asks for; train without data.subgoal"
    )


def told_of_goals(goals: NDArray[np.float32], dropout: float) -> Subject:
    """A run whose episodes have goals (E, 1), and a model that they matter to."""
    layout = Layout(LAYOUT.observation, LAYOUT.action, goal_columns=(0,))
    torch.manual_seed(0)
    model = GPTConfig(layers=1, heads=1, width=8, context=3).build(layout, BINS).eval()
    for parameter in model.parameters():
        nn.init.normal_(parameter, std=0.4)
    model.requires_grad_(requires_grad=False)
    about = subject(replace(TRAINING, layout=layout, goals=goals), None, model)
    goal = GoalConfig(achieved=[0], desired=[2], dropout=dropout)
    return replace(about, data=WorldData(goal=goal), discretizer=fitted(layout))


def test_goals_are_hidden_from_the_model_as_they_tell_what_is_to_come() -> None:
    near, far = (np.full((20, 1), goal, np.float32) for goal in (0, BINS - 1))
    model, tokens = told_of_goals(near, dropout=0.1).model, torch.zeros(1, 4, dtype=torch.int64)
    assert model is not None
    assert not model(tokens, torch.tensor([[0]])).equal(model(tokens, torch.tensor([[BINS - 1]])))
    found = [run(told_of_goals(goals, dropout=0.1), members=0) for goals in (near, far)]
    assert found[0] == found[1]
    assert "Goals, which tell how an episode goes on, are hidden from the model." in found[0].text
    assert "Goals" not in run(members=0).text


def test_a_model_that_was_never_without_a_goal_is_refused() -> None:
    assert refused(told_of_goals(np.zeros((20, 1), np.float32), dropout=0)) == (
        "analysis 'prediction_error': goals tell the future that it asks for, and this model is never without; "
        "data.goal.dropout above 0 trains one that can be"
    )


def test_dimensions_that_the_data_leaves_out_are_neither_shown_nor_asked_for() -> None:
    subjects = []
    for dims in (None, [1]):
        recipe = tiny_recipe(data=CorridorConfig(observation_dims=dims))
        data = load_data(recipe, Quiet())
        discretizer = fitted_ranks(data.rows)
        model = made(partial(BagConfig(context=3).build, data.rows.layout, 12))
        subjects.append(make_subject(recipe, data, discretizer, model, torch.device("cpu")))
    whole, half = (ask(about, PredictionErrorConfig(steps=3), 2) for about in subjects)
    assert whole.layout.observation == 2
    assert half.recorded.equal(whole.recorded[..., 1:])
    assert half.truth.equal(whole.truth[..., 1:])
    assert half.known.equal(whole.known[:, 1:])
    shown, kept = (pairs_of(about) for about in subjects)
    assert kept.states.equal(shown.states[:, 1:])
    assert kept.following.equal(shown.following[:, 1:])
    found = run(subjects[1], steps=3)
    assert len(found.tables[0].columns) == 7
    assert found.text.startswith("From 9 starts in ")


def test_a_model_of_single_transitions_is_not_asked() -> None:
    about = subject(TRAINING, HELD_OUT, KnowingModel(context=1))
    assert PredictionErrorConfig().build().check(about) == (
        "a model of single transitions predicts no later ones; model.context 2"
    )
