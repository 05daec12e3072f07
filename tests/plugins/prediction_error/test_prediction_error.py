"""The analysis asks all predictors the same, and says what comes out with intervals over episodes."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch
from tests.core.toys import Quiet
from tests.plugins.prediction_error.worlds import LAYOUT, KnowingModel, fitted, subject, world

from ttf.errors import DataError
from ttf.findings import Estimate, Findings
from ttf.layout import Layout
from ttf.testing import check_analysis
from ttf_plugins.prediction_error import PredictionErrorConfig
from ttf_plugins.prediction_error.question import ask

if TYPE_CHECKING:
    from ttf.interfaces.analysis import Subject

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
    assert [series.name for series in figure.series] == [*names, "mean of the data"]
    assert [series.name for series in likely.series] == names
    assert all(series.x == list(range(1, 13)) for series in (*figure.series, *likely.series))
    table = {row[0]: row for row in error.rows}
    for column, series in enumerate(figure.series[:4], start=1):
        assert series.y[4] == getattr(table[5][column], "estimate", None)
    assert "After 12 transitions the mean error is: KnowingModel 0 [0, 0]; " in found.text
    assert found.text.startswith("From 9 starts in 6 held-out episodes 12 transitions are predicted, with 2 sampled")


def test_the_reference_is_the_error_of_the_mean_of_the_training_data() -> None:
    asked = ask(subject(TRAINING, HELD_OUT), PredictionErrorConfig(**SMALL), fitted(), 2)
    observed = TRAINING.values[:, LAYOUT.observations].astype(np.float64)
    distance = np.abs(asked.truth.numpy() - observed.mean(0)) / observed.std(0)
    reference = run().lines[0].series[-1]
    assert reference.dashed
    assert reference.y == pytest.approx(distance.mean((0, 2)).tolist(), rel=1e-5)


def test_the_same_seed_finds_the_same() -> None:
    assert json.dumps(run().as_json(), allow_nan=False) == json.dumps(run().as_json(), allow_nan=False)


def test_a_model_that_acts_itself_has_no_likelihood() -> None:
    found = run(actions="model")
    assert len(found.tables) == len(found.lines) == 1
    assert "the model samples actions, as the ensemble does" in found.text


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
    asked = ask(subject(TRAINING, HELD_OUT), PredictionErrorConfig(steps=12, starts=30), fitted(), 4)
    assert asked.recorded.shape == (30, 4 + 1 + 12, LAYOUT.width)
    assert sorted(set(asked.episodes.tolist())) == list(range(6))
    places = {tuple(one[0].tolist()) for one in asked.recorded}
    assert len(places) > 20
    everything = ask(subject(TRAINING, HELD_OUT), PredictionErrorConfig(steps=12, starts=10_000), fitted(), 4)
    assert len(everything.recorded) == 6 * (25 - 16)


def test_with_a_stride_transitions_are_as_far_apart() -> None:
    asked = ask(subject(TRAINING, HELD_OUT, stride=3), PredictionErrorConfig(steps=5, starts=4), fitted(), 1)
    episode, first = int(asked.episodes[1]), asked.recorded[1]
    recorded = torch.from_numpy(HELD_OUT.values).view(6, 25, -1)[episode]
    starts = [start for start in range(25 - 18) if recorded[start : start + 19 : 3].equal(first)]
    assert len(starts) == 1


def test_constant_dimensions_count_nowhere() -> None:
    spoiled = TRAINING.values.copy()
    spoiled[:, 1] = 3
    constant = type(TRAINING)(LAYOUT, spoiled, TRAINING.lengths, TRAINING.terminated, TRAINING.goals)
    asked = ask(subject(constant, HELD_OUT), PredictionErrorConfig(**SMALL), fitted(), 2)
    assert asked.varying.tolist() == [True, False]
    far = asked.truth.unsqueeze(1) + torch.tensor([0.0, 100.0])
    assert asked.errors(far).tolist() == [[0.0] * 12] * 9
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


def test_a_model_of_single_transitions_is_not_asked() -> None:
    about = subject(TRAINING, HELD_OUT, KnowingModel(context=1))
    assert PredictionErrorConfig().build().check(about) == (
        "a model of single transitions predicts no later ones; model.context 2"
    )
