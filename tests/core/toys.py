"""Small parts that tests of the loops share: data of the corridor, and recipes for it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import torch
from pydantic import Field

from ttf.component import DataConfig
from ttf.episodes import Rows, Windows, make_rows
from ttf.layout import Layout
from ttf.recipe import Recipe
from ttf.sections import EvaluationConfig, TrainingConfig
from ttf.testing.corridor import (
    Corridor,
    CorridorEnvironment,
    CorridorEnvironmentConfig,
    CorridorSource,
    Homing,
    HomingConfig,
    HomingPolicy,
    episode,
    start_of,
    walk,
)
from ttf.testing.quiet import Quiet, Ticks
from ttf_plugins.beam_search import BeamSearchConfig
from ttf_plugins.gpt import GPTConfig
from ttf_plugins.jsonl import JsonLinesConfig
from ttf_plugins.quantile import QuantileConfig

if TYPE_CHECKING:
    from ttf.interfaces.data import DataSource
    from ttf.interfaces.discretizer import Discretizer
    from ttf.interfaces.progress import Progress

__all__ = [
    "Corridor",
    "CorridorData",
    "CorridorEnvironment",
    "CorridorEnvironmentConfig",
    "Homing",
    "HomingConfig",
    "HomingPolicy",
    "Quiet",
    "Ticks",
    "corridor_rows",
    "episode",
    "fitted",
    "start_of",
    "tiny_recipe",
    "walk",
    "windows",
]


class CorridorData(DataConfig):
    kind: Literal["corridor"] = "corridor"
    episodes: int = Field(default=30)
    spoiled: bool = False

    def build(self, *, seed: int, progress: Progress) -> DataSource:
        recorded = [episode(1000 * (seed % 7919) + index) for index in range(self.episodes)]
        if self.spoiled:
            recorded[3].rewards[1] = np.nan
        return CorridorSource(recorded, "corridor")


def tiny_recipe(**changes: Any) -> Recipe:  # noqa: ANN401
    """A recipe of toy and real parts that runs in a second; sections are replaced by name."""
    sections: dict[str, Any] = {
        "name": "tiny",
        "device": "cpu",
        "data": CorridorData(),
        "discretizer": QuantileConfig(bins=12),
        "model": GPTConfig(layers=1, heads=1, width=8, context=3),
        "training": TrainingConfig(
            steps=12,
            batch_size=8,
            learning_rate=0.01,
            log_every=5,
            validate_every=6,
            checkpoint_every=6,
            validation_fraction=0.2,
        ),
        "decoder": BeamSearchConfig(horizon=3, beam_width=2, expand=2, context=3),
        "environment": CorridorEnvironmentConfig(),
        "evaluation": EvaluationConfig(episodes=5, batch=3, trajectories=2),
        "baselines": [HomingConfig()],
        "reporters": [JsonLinesConfig()],
    }
    return Recipe(**(sections | changes))


def corridor_rows(first: int = 0, count: int = 30) -> Rows:
    """Rows of walks, D = 5."""
    return make_rows([episode(first + index) for index in range(count)], Layout(2, 1), CorridorData())


def fitted(rows: Rows, bins: int = 12) -> Discretizer:
    discretizer = QuantileConfig(bins=bins).build(rows.layout)
    discretizer.fit(torch.from_numpy(rows.values))
    return discretizer


def windows(rows: Rows, discretizer: Discretizer, context: int = 3) -> Windows:
    tokens = discretizer.encode(torch.from_numpy(rows.values)).numpy()
    return Windows(tokens, rows, stop=discretizer.stop, context=context, stride=1)
