"""Beam search for offline reinforcement learning: plans are scored by predicted rewards and values."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from ttf import hookimpl
from ttf.component import Component, DecoderConfig

if TYPE_CHECKING:
    from ttf.interfaces.decoder import Decoder
    from ttf.interfaces.discretizer import Discretizer
    from ttf.interfaces.model import SequenceModel

ttf_api = "1"


class BeamSearchConfig(DecoderConfig):
    """The published planner (Janner et al. 2021, section 3.2, algorithm 1, as its code has it)."""

    kind: Literal["beam_search"] = "beam_search"
    """Beam search that maximises predicted rewards and the value after them."""

    horizon: Annotated[int, Field(ge=1, le=1000)] = 15
    """Transitions to plan."""

    beam_width: Annotated[int, Field(ge=1, le=65_536)] = 128
    """Plans kept after every transition."""

    expand: Annotated[int, Field(ge=1, le=1024)] = 2
    """Continuations sampled per plan and transition."""

    window: Literal["sliding", "growing"] = "sliding"
    """`sliding` shows the model the last `context` transitions, re-based at position 0 whenever one is completed,
    as published; `growing` shows it everything that fits into the model's own context, which is faster."""

    temperature: Annotated[float, Field(gt=0, le=100)] = 1.0
    """Divides the logits."""

    reference_cdf: Annotated[float, Field(ge=0, lt=1)] | None = None
    """The published cdf filter on actions, ties and all: 0.6 keeps about the top 40 % of the mass."""

    top_p: Annotated[float, Field(gt=0, le=1)] | None = None
    """Sample actions from the likeliest tokens that hold this much of the mass; null for all."""

    k_act: Annotated[int, Field(ge=1)] | None = None
    """Sample actions from this many of the likeliest tokens; null for all."""

    stop: Literal["end", "reference"] = "end"
    """`end`: a plan in which the episode ends earns nothing more; `reference`: the stop token and dead bins are tokens
    like any other, as published."""

    def build(self, model: SequenceModel, discretizer: Discretizer, *, discount: float) -> Decoder:
        """Make the planner."""
        from ttf_plugins.beam_search.beam_search import BeamSearchDecoder

        return BeamSearchDecoder(self, model, discretizer, discount)


@hookimpl
def ttf_components() -> list[type[Component]]:
    """Offer the decoder."""
    return [BeamSearchConfig]
