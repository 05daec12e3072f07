"""Analysis `prediction_error`: how far ahead the model predicts well, beside a single-step ensemble."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

from pydantic import Field

from ttf import hookimpl
from ttf.component import AnalysisConfig, Component

if TYPE_CHECKING:
    from ttf.interfaces.analysis import Analysis

ttf_api = "1"


class PredictionErrorConfig(AnalysisConfig):
    """How far ahead the model predicts states, beside itself seeing one transition only and a single-step ensemble.

    Error and log-likelihood stand against the horizon (Janner et al. 2021, section 4.1). The probabilistic ensemble
    (PETS, Chua et al. 2018) is trained on the same episodes within the analysis. It stands there twice: as published,
    where states can go anywhere, and kept in the range of the training data, as bins keep the model. The partially
    observed study is the same analysis of a recipe whose `data.observation_dims` leaves out half of the dimensions.
    """

    requires: ClassVar[tuple[str, ...]] = ("model",)

    kind: Literal["prediction_error"] = "prediction_error"
    """How far ahead the model predicts well."""

    actions: Literal["recorded", "model"] = "recorded"
    """`recorded` replays what was done; `model` does what the model samples, the ensemble along with it, and has no
    log-likelihood."""

    steps: Annotated[int, Field(ge=1, le=10_000)] = 100
    """Transitions to predict."""

    starts: Annotated[int, Field(ge=1, le=100_000)] = 64
    """Places to start from, spread over the held-out episodes; before each the model sees recorded transitions."""

    sample: bool = True
    """Whether states, rewards and values are sampled; else the likeliest are taken, and the ensemble's means."""

    rollouts: Annotated[int, Field(ge=1, le=1000)] = 4
    """Sampled rollouts per start; the likelihood is that of their mixture."""

    members: Annotated[int, Field(ge=0, le=100)] = 5
    """Networks of the ensemble, each trained on a bootstrap sample; 0 leaves it out."""

    hidden: Annotated[int, Field(ge=1, le=4096)] = 200
    """Units of a hidden layer of the ensemble."""

    layers: Annotated[int, Field(ge=1, le=16)] = 3
    """Hidden layers of the ensemble."""

    updates: Annotated[int, Field(ge=1, le=10_000_000)] = 10_000
    """Updates of the ensemble."""

    batch_size: Annotated[int, Field(ge=1, le=65_536)] = 256
    """Transitions per update and member."""

    learning_rate: Annotated[float, Field(gt=0, le=1)] = 1e-3
    """Learning rate of the ensemble's Adam, which falls to 0 as a cosine."""

    def build(self) -> Analysis:
        """Make the analysis."""
        from ttf_plugins.prediction_error.prediction_error import PredictionError

        return PredictionError(self)


@hookimpl
def ttf_components() -> list[type[Component]]:
    """Offer the analysis."""
    return [PredictionErrorConfig]
