"""The options that decoders on top of a search engine have."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from ttf.component import DecoderConfig

if TYPE_CHECKING:
    from ttf.interfaces.model import SequenceModel
    from ttf.search import BeamSettings

__all__ = ["BeamDecoderConfig", "SearchDecoderConfig"]


class SearchDecoderConfig(DecoderConfig):
    """Any beam search."""

    horizon: Annotated[int, Field(ge=1, le=1000)] = 15
    """Transitions to plan."""

    window: Literal["sliding", "growing"] = "sliding"
    """`sliding` shows the model the last `context` transitions, re-based at position 0 whenever one is completed,
    as published; `growing` shows it everything that fits into the model's own context, which is faster."""

    temperature: Annotated[float, Field(gt=0, le=100)] = 1.0
    """Divides the logits."""

    stop: Literal["end", "reference"] = "end"
    """`end`: nothing counts after the end of an episode; `reference`: the stop token and dead bins are tokens like any
    other, as published."""

    beam_width: Annotated[int, Field(ge=1, le=65_536)]
    """Plans kept."""

    deadline_ms: Annotated[float, Field(gt=0, le=1e7)] | None = None
    """Milliseconds for a plan; null for as long as it takes. Beams are then as wide as there is time for, from 1 to
    `beam_width`, the best plan so far counts, and the run says how wide they got and how many plans came late. Such
    runs depend on the machine's speed."""

    precision: Literal["float32", "bfloat16"] = "float32"
    """Arithmetic of the model. `bfloat16` is for GPUs that have it: faster, and plans may differ."""

    cuda_graph: bool = True
    """On a GPU, whether the kernels of a plan are recorded, once for every number of environments planned together, and
    then replayed, so that the GPU need not wait for Python. Recorded plans are not speculated; where there is a
    deadline nothing is recorded, as that takes longer than a plan."""

    def planning(self, model: SequenceModel) -> SequenceModel:
        """The model that plans: itself, or a copy in another precision."""
        if self.precision == "float32":
            return model
        import copy

        import torch

        return copy.deepcopy(model).to(torch.bfloat16)

    @property
    def recorded(self) -> bool:
        """Whether plans are recorded where there is a GPU."""
        return self.cuda_graph and self.deadline_ms is None

    def limit(self, model: SequenceModel) -> int:
        """Tokens that a model is shown at most."""
        return min(model.block, model.layout.block(self.context)) if self.window == "sliding" else model.block


class BeamDecoderConfig(SearchDecoderConfig):
    """A beam search over transitions; what it maximises is the subclass's choice."""

    beam_width: Annotated[int, Field(ge=1, le=65_536)] = 128
    """Plans kept after every transition."""

    expand: Annotated[int, Field(ge=1, le=1024)] = 2
    """Continuations sampled per plan and transition."""

    reference_cdf: Annotated[float, Field(ge=0, lt=1)] | None = None
    """The published cdf filter on actions, ties and all: 0.6 keeps about the top 40 % of the mass."""

    top_p: Annotated[float, Field(gt=0, le=1)] | None = None
    """Sample actions from the likeliest tokens that hold this much of the mass; null for all."""

    k_act: Annotated[int, Field(ge=1)] | None = None
    """Sample actions from this many of the likeliest tokens; null for all."""

    subgoal_temperature: Annotated[float, Field(gt=0, le=100)] | None = None
    """Divides the logits of subgoals, which are then sampled without the filters above; null samples them as actions.
    With 1 and a lower `temperature`, places are chosen among all that the data has, and gone to with little noise."""

    observation_top_p: Annotated[float, Field(gt=0, le=1)] | None = None
    """Sample observations from the likeliest tokens that hold this much of the mass; null takes the likeliest, as
    published, which stand still where a transition moves less than half a bin."""

    speculate: Literal["auto", "on", "off"] = "auto"
    """Whether the tokens of an action, and of an observation, are guessed at once and read again until nothing changes
    (Jacobi decoding), which gives the same plan in fewer and larger steps. `auto` does on a GPU, which likes them,
    until plans are recorded."""

    def settings(self, model: SequenceModel, *, discount: float) -> BeamSettings:
        """What these options make of the engine for a model."""
        from ttf.sampling import Sampling
        from ttf.search import BeamSettings

        return BeamSettings(
            horizon=self.horizon,
            beam_width=self.beam_width,
            expand=self.expand,
            limit=self.limit(model),
            discount=discount,
            sampling=Sampling(self.temperature, self.reference_cdf, self.top_p, self.k_act),
            stop=self.stop,
            speculate=self.speculate,
            cuda_graph=self.recorded,
            choosing=Sampling(self.subgoal_temperature) if self.subgoal_temperature else None,
            observing=Sampling(self.temperature, top_p=self.observation_top_p) if self.observation_top_p else None,
        )
