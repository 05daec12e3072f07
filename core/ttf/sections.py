"""The sections of a recipe that are not components: how to train, how to evaluate, and what a study compares."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import ConfigDict, Field, JsonValue, model_validator

from ttf.section import Section

_WEIGHTS = ("observation_weight", "action_weight", "reward_weight", "value_weight")

#: What the validator below says, for the JSON Schema.
_SOME_WEIGHT: dict[str, JsonValue] = {
    "not": {"required": [*_WEIGHTS], "properties": {name: {"const": 0} for name in _WEIGHTS}}
}


class TrainingConfig(Section):
    """How the sequence model is trained. The defaults are the published ones, but for the clamped schedule."""

    model_config = ConfigDict(json_schema_extra=lambda schema: schema.update(_SOME_WEIGHT))

    steps: Annotated[int, Field(ge=1, le=100_000_000)] = 50_000
    """Updates of the model."""

    batch_size: Annotated[int, Field(ge=1, le=65_536)] = 256
    """Windows per update."""

    learning_rate: Annotated[float, Field(gt=0, le=1)] = 6e-4
    """Peak learning rate of AdamW (betas 0.9 and 0.95)."""

    weight_decay: Annotated[float, Field(ge=0, le=1)] = 0.1
    """Weight decay on the weights of linear maps; biases, norms and embeddings have none."""

    gradient_clip: Annotated[float, Field(gt=0, le=1e6)] = 1.0
    """Largest norm of the gradient; longer ones are scaled down."""

    ema_decay: Annotated[float, Field(ge=0, lt=1)] = 0.0
    """Decay of an exponential moving average of the weights, which is then what is validated and planned with; 0 plans
    with the last weights, as published. 0.999 steadies what is cloned from few episodes."""

    schedule: Literal["cosine", "reference_cycle"] = "cosine"
    """`cosine` decays to a tenth and stays there; `reference_cycle` is the published schedule, whose cosine is not
    clamped and climbs back to the full rate (its first update is at the full rate too)."""

    warmup_steps: Annotated[int, Field(ge=0)] | None = None
    """Updates' worth of tokens over which the rate grows from 0; null for one epoch, as published, but at most a
    tenth of the training."""

    decay_steps: Annotated[int, Field(ge=1)] | None = None
    """Updates' worth of tokens at which the cosine ends; null for `steps`, or for 20 epochs with
    `reference_cycle`, as published."""

    observation_weight: Annotated[float, Field(ge=0, le=1000)] = 1.0
    """Weight of observation tokens in the loss; 0 where a decoder asks for nothing but actions."""

    action_weight: Annotated[float, Field(ge=0, le=1000)] = 5.0
    """Weight of action tokens in the loss."""

    reward_weight: Annotated[float, Field(ge=0, le=1000)] = 1.0
    """Weight of reward tokens in the loss."""

    value_weight: Annotated[float, Field(ge=0, le=1000)] = 1.0
    """Weight of value tokens in the loss."""

    dead_bins: Literal["masked", "reference"] = "masked"
    """`masked`: tokens that no value of a column can become have no share in the loss; `reference`: they do, as
    published."""

    validation_fraction: Annotated[float, Field(ge=0, lt=1)] = 0.05
    """Share of the episodes held out for the validation loss."""

    validate_every: Annotated[int, Field(ge=1)] = 1000
    """Updates between validations."""

    log_every: Annotated[int, Field(ge=1)] = 100
    """Updates between training records."""

    checkpoint_every: Annotated[int, Field(ge=1)] = 1000
    """Updates between checkpoints; the last one is always kept."""

    precision: Literal["auto", "float32", "bfloat16"] = "auto"
    """Arithmetic of the forward pass; weights stay float32. `bfloat16` is that where the device multiplies it itself,
    which newer processors do, some five times as fast, and float32 elsewhere; `auto` is bfloat16 on a GPU only."""

    compile: Literal["auto", "on", "off"] = "auto"
    """Whether to compile the model for training; `auto` does on a GPU. Where it cannot be compiled, a note says so and
    it is trained as it is."""

    @model_validator(mode="after")
    def _some_weight(self) -> TrainingConfig:
        if not any(getattr(self, name) for name in _WEIGHTS):
            message = f"nothing would be learned: one of {', '.join(_WEIGHTS)} must be above 0"
            raise ValueError(message)
        return self


class EvaluationConfig(Section):
    """How the planner and the baselines are evaluated: the same unseen seeds for all."""

    episodes: Annotated[int, Field(ge=1, le=100_000)] = 100
    """Episodes per policy."""

    batch: Annotated[int, Field(ge=1, le=4096)] = 100
    """Environments that run at once."""

    max_steps: Annotated[int, Field(ge=1)] | None = None
    """Steps after which an episode is cut off; null for the environment's own limit."""

    seed: Annotated[int, Field(ge=0, le=2**32 - 1)] | None = None
    """Seed of the episodes; null for the recipe's `seed`. Studies fix it, so that all their cells are compared in the
    same episodes."""

    trajectories: Annotated[int, Field(ge=0, le=1000)] = 12
    """Episodes per policy whose trajectories are kept for the report."""


class StudyConfig(Section):
    """What a study compares. Its cells are the product of all swaps, each trained with the same seeds."""

    swap: list[Annotated[str, Field(max_length=1000)]] = Field(default=[], max_length=20)
    """What is swapped: a slot and its kinds, `discretizer=uniform,quantile`, or a field and its values,
    `decoder.beam_width=8,32`."""

    variants: dict[
        Annotated[str, Field(min_length=1, max_length=100)], list[Annotated[str, Field(max_length=1000)]]
    ] = Field(default={}, max_length=100)
    """One more swap, of several fields at once: under the name of every variant, what it changes, such as
    `decoder.beam_width=64`. `as given` is the recipe itself, and no name of a variant."""

    seeds: Annotated[int, Field(ge=1, le=1000)] = 5
    """Seeds that every cell is trained with: the recipe's own and those that follow it."""
