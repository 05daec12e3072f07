"""A model learns what its goal says, and also to do without; hiding goals does not depend on interruptions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch
from tests.core.test_train import digests, newest, train_until, untimed
from tests.core.toys import Quiet

from ttf.episodes import Rows, Windows
from ttf.goals import encode_goal
from ttf.interrupts import Interrupts
from ttf.layout import Layout
from ttf.sections import TrainingConfig
from ttf.train import Trainer
from ttf_plugins.gpt import GPTConfig
from ttf_plugins.lstm import LSTMConfig
from ttf_plugins.markov import MarkovConfig
from ttf_plugins.quantile import QuantileConfig

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from ttf.component import ModelConfig
    from ttf.interfaces.model import SequenceModel

BINS, STEPS = 4, 30
LAYOUT = Layout(1, 1, (0,))


def choices() -> Rows:
    """Episodes from places that say nothing; the action is the sign of the goal."""
    random = np.random.default_rng(0)
    goals = np.where(np.arange(40) % 2, 1.0, -1.0)
    steps = np.repeat(goals, 4)
    places = random.choice([-1.0, 0.0, 1.0], size=len(steps))
    values = np.column_stack([places, steps, np.zeros((len(steps), 2))]).astype(np.float32)
    ends = goals[:, None].astype(np.float32)
    return Rows(LAYOUT, values, np.full(40, 4), np.zeros(40, dtype=np.bool_), ends)


ROWS = choices()
DISCRETIZER = QuantileConfig(bins=BINS).build(LAYOUT)
DISCRETIZER.fit(torch.from_numpy(ROWS.values))
GOALS = encode_goal(DISCRETIZER, torch.from_numpy(ROWS.goals))
WINDOWS = Windows(
    DISCRETIZER.encode(torch.from_numpy(ROWS.values)).numpy(),
    ROWS,
    stop=DISCRETIZER.stop,
    context=2,
    stride=1,
    goals=GOALS.numpy(),
)
GPT = GPTConfig(layers=1, heads=2, width=16, context=2, dropout=0.0, attention_dropout=0.0)


def trainer(
    folder: Path, config: ModelConfig, *, steps: int, dropout: float, records: list[Mapping[str, Any]] | None = None
) -> Trainer:
    torch.manual_seed(0)
    return Trainer(
        config.build(LAYOUT, BINS),
        DISCRETIZER,
        WINDOWS,
        WINDOWS,
        TrainingConfig(steps=steps, batch_size=16, learning_rate=0.01, log_every=10, validate_every=1000),
        seed=3,
        folder=folder,
        recipe_hash="abc",
        report=(records if records is not None else []).append,
        goal_dropout=dropout,
    )


def first_action(model: SequenceModel, goal: torch.Tensor | None) -> list[float]:
    """Probabilities of the two actions at a place that says nothing; no others can occur."""
    place = DISCRETIZER.encode(torch.zeros(1, 1), 0)
    left, right = DISCRETIZER.encode(torch.tensor([[-1.0], [1.0]]), 1)[:, 0].tolist()
    with torch.no_grad():
        probabilities: list[float] = model(place, goal)[0, -1, [left, right]].softmax(-1).tolist()
    return probabilities


@pytest.mark.parametrize(
    "config",
    [GPT, LSTMConfig(width=16, context=2, dropout=0.0), MarkovConfig(width=16, context=2, dropout=0.0)],
    ids=["gpt", "lstm", "markov"],
)
def test_what_only_the_goal_tells_is_learned_and_unknown_without_it(config: ModelConfig, tmp_path: Path) -> None:
    one = trainer(tmp_path, config, steps=150, dropout=0.3)
    one.run(Quiet(), Interrupts())
    left, right = (encode_goal(DISCRETIZER, torch.tensor([[end]])) for end in (-1.0, 1.0))
    assert first_action(one.model, left)[0] > 0.95
    assert first_action(one.model, right)[1] > 0.95
    assert min(first_action(one.model, None)) > 0.25


@pytest.mark.parametrize("split", [1, 9, 20, STEPS - 1])
def test_stopping_and_going_on_hides_the_same_goals(split: int, tmp_path: Path) -> None:
    whole: list[Mapping[str, Any]] = []
    trainer(tmp_path / "whole", GPT, steps=STEPS, dropout=0.5, records=whole).run(Quiet(), Interrupts())
    records: list[Mapping[str, Any]] = []
    train_until(split, trainer(tmp_path / "cut", GPT, steps=STEPS, dropout=0.5, records=records))
    torch.manual_seed(99)
    again = trainer(tmp_path / "cut", GPT, steps=STEPS, dropout=0.5, records=records)
    again.restore(newest(tmp_path / "cut"))
    again.run(Quiet(), Interrupts())
    assert untimed(records) == untimed(whole)
    assert digests(tmp_path / "cut", STEPS) == digests(tmp_path / "whole", STEPS)


def test_hidden_goals_make_another_model(tmp_path: Path) -> None:
    for name, dropout in (("some", 0.5), ("none", 0.0)):
        trainer(tmp_path / name, GPT, steps=STEPS, dropout=dropout).run(Quiet(), Interrupts())
    some, none = (digests(tmp_path / name, STEPS)["model.safetensors"] for name in ("some", "none"))
    assert some != none


def test_as_many_goals_are_hidden_as_asked_for_and_each_of_them_wholly(tmp_path: Path) -> None:
    one = trainer(tmp_path, GPT, steps=1, dropout=0.3)
    batch = WINDOWS.batch(np.zeros(20_000, dtype=np.int64))._replace(goal=torch.ones(20_000, 2, dtype=torch.int64))
    torch.manual_seed(0)
    goal = one._hiding_goals(batch, slice(0, 20_000), 20_000).goal
    hidden = goal[:, 0] == DISCRETIZER.stop
    assert torch.equal(goal, torch.where(hidden[:, None], DISCRETIZER.stop, torch.ones_like(goal)))
    assert float(hidden.double().mean()) == pytest.approx(0.3, abs=0.02)
    assert (batch.goal == 1).all()
