"""A model's rollouts are what the model says, seen through a window of transitions."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
import torch
from tests.core.toys import Quiet
from tests.plugins.prediction_error.worlds import BINS, LAYOUT, SPREAD, KnowingModel, fitted, subject, world

from ttf.interfaces.model import SequenceModel
from ttf_plugins.gpt import GPTConfig
from ttf_plugins.markov import MarkovConfig
from ttf_plugins.prediction_error import PredictionErrorConfig
from ttf_plugins.prediction_error.question import Answer, Question, ask
from ttf_plugins.prediction_error.sequence import SequencePredictor

if TYPE_CHECKING:
    from typing import Any


def question(*, memory: bool = True, noise: bool = False, history: int = 2, **fields: Any) -> Question:  # noqa: ANN401
    rows = world(12, 30, seed=0, memory=memory, noise=noise)
    config = PredictionErrorConfig(**({"steps": 20, "starts": 10, "rollouts": 3} | fields))
    return ask(subject(rows), config, history)


def predicted(model: SequenceModel, asked: Question, context: int | None = None, seed: int = 0) -> Answer:
    return SequencePredictor(model, fitted(), context or model.context).predict(asked, seed, Quiet())


def log_density(truth: torch.Tensor) -> torch.Tensor:
    """Of states (..., 2) that are certain: bins at the ends are half as wide as the others."""
    ends = (truth == 0) | (truth == BINS - 1)
    return torch.where(ends, math.log(2), 0.0).sum(-1)


@pytest.mark.parametrize("sample", [True, False])
def test_a_model_that_knows_a_deterministic_world_is_never_wrong(sample: bool) -> None:
    asked, model = question(sample=sample), KnowingModel(context=3)
    answer = predicted(model, asked)
    assert asked.errors(answer.states).tolist() == [[0.0] * 20] * 10
    assert answer.states.shape == (10, 3 if sample else 1, 20, 2)
    assert answer.actions.equal(asked.actions)
    assert answer.likelihood is not None
    torch.testing.assert_close(answer.likelihood, log_density(asked.truth), atol=1e-5, rtol=0)


def test_the_same_model_seeing_one_transition_does_not_know_what_it_must_remember() -> None:
    asked, model = question(), KnowingModel(context=3)
    markovian = predicted(model, asked, context=2)
    assert model.longest == LAYOUT.block(2)
    assert float(asked.errors(markovian.states).mean()) > 0.3
    assert markovian.states[..., 1].equal(asked.truth.unsqueeze(1)[..., 1].expand(-1, 3, -1))  # that one it knows
    assert markovian.likelihood is not None
    guessed = log_density(asked.truth) - math.log(BINS)
    torch.testing.assert_close(markovian.likelihood, guessed, atol=1e-5, rtol=0)
    predicted(model, asked)
    assert model.longest == LAYOUT.block(3)


def test_a_model_without_memory_is_its_own_markovian_variant() -> None:
    torch.manual_seed(0)
    model = MarkovConfig(context=5, width=8, layers=1).build(LAYOUT, BINS).eval()
    asked = question(history=4)
    whole, cut = predicted(model, asked), predicted(model, asked, context=2)
    assert whole.states.equal(cut.states)
    assert whole.likelihood is not None
    assert cut.likelihood is not None
    torch.testing.assert_close(whole.likelihood, cut.likelihood)
    assert not predicted(model, asked, seed=1).states.equal(whole.states)


def test_rewards_and_values_to_come_change_nothing() -> None:
    torch.manual_seed(0)
    model = GPTConfig(layers=1, heads=1, width=8, context=3).build(LAYOUT, BINS).eval()
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.5)
    asked = question(steps=6)
    other = asked.recorded.clone()
    other[:, asked.history :, LAYOUT.reward :] = BINS - 1 - other[:, asked.history :, LAYOUT.reward :]
    one, two = predicted(model, asked), predicted(model, replace(asked, recorded=other))
    assert one.states.equal(two.states)
    assert one.likelihood is not None
    assert two.likelihood is not None
    assert one.likelihood.equal(two.likelihood)


def test_the_likelihood_is_that_of_the_mixture_of_all_rollouts() -> None:
    asked = question(memory=False, noise=True, rollouts=1000, starts=4, steps=3)
    answer = predicted(KnowingModel(context=2, memory=False, noise=True), asked)
    start = asked.recorded[:, asked.history, 1].long()
    marginal = torch.nn.functional.one_hot(start, BINS).double()
    step = sum(chance * torch.eye(BINS).roll(move, 1).double() for move, chance in zip((-1, 0, 1), SPREAD, strict=True))
    assert answer.likelihood is not None
    for ahead in range(3):
        marginal = marginal @ step
        truth = asked.truth[:, ahead]
        exact = marginal.gather(1, truth[:, 1:].long())[:, 0].log() + log_density(truth)
        assert answer.likelihood[:, ahead].double().tolist() == pytest.approx(exact.tolist(), abs=0.15)


def test_the_first_likelihood_is_that_of_a_single_step() -> None:
    asked = question(memory=False, noise=True, sample=False)
    answer = predicted(KnowingModel(context=2, memory=False, noise=True), asked)
    before, after = asked.recorded[:, asked.history, 1], asked.truth[:, 0, 1]
    chances = torch.tensor([SPREAD[0], SPREAD[1], SPREAD[2]])[((after - before + 1) % BINS).long()]
    assert answer.likelihood is not None
    expected = chances.log() + log_density(asked.truth[:, 0])
    torch.testing.assert_close(answer.likelihood[:, 0], expected, atol=1e-5, rtol=0)


def test_a_model_that_chooses_its_actions_goes_where_they_lead() -> None:
    asked, model = question(actions="model", rollouts=5), KnowingModel(context=3)
    answer = predicted(model, asked)
    assert answer.likelihood is None
    assert set(answer.actions.flatten().tolist()) == set(range(BINS))
    start = asked.recorded[:, asked.history, 0].unsqueeze(1).expand(-1, 5)
    before = asked.recorded[:, asked.history - 1, 0].unsqueeze(1)
    for step in range(asked.steps):
        place = answer.states[:, :, step, 0]
        assert place.equal((start + answer.actions[:, :, step, 0] + before) % BINS)
        start, before = place, start


def test_predicting_in_turns_changes_no_prediction_that_is_not_sampled(monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(0)
    model = GPTConfig(layers=1, heads=1, width=8, context=3).build(LAYOUT, BINS).eval()
    asked = question(sample=False)
    whole = predicted(model, asked)
    monkeypatch.setattr("ttf_plugins.prediction_error.sequence.ROWS_AT_ONCE", 3)
    turns = predicted(model, asked)
    assert turns.states.equal(whole.states)
    assert whole.likelihood is not None
    assert turns.likelihood is not None
    torch.testing.assert_close(turns.likelihood, whole.likelihood)
