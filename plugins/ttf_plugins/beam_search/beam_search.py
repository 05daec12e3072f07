"""BeamSearchDecoder: the search engine with the published score."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from ttf.interfaces.decoder import Decoder, Plan
from ttf.sampling import Sampling
from ttf.search import BeamSearch, BeamSettings

if TYPE_CHECKING:
    from torch import Tensor

    from ttf.interfaces.discretizer import Discretizer
    from ttf.interfaces.model import SequenceModel
    from ttf_plugins.beam_search import BeamSearchConfig


class BeamSearchDecoder(Decoder):
    """Plans by beam search; see :class:`ttf.search.BeamSearch`."""

    def __init__(
        self, config: BeamSearchConfig, model: SequenceModel, discretizer: Discretizer, discount: float
    ) -> None:
        shown = model.layout.block(config.context) if config.window == "sliding" else model.block
        settings = BeamSettings(
            horizon=config.horizon,
            beam_width=config.beam_width,
            expand=config.expand,
            limit=min(model.block, shown),
            discount=discount,
            sampling=Sampling(config.temperature, config.reference_cdf, config.top_p, config.k_act),
            stop=config.stop,
        )
        self.search = BeamSearch(model, discretizer, settings)

    def plan(self, context: Tensor, generator: torch.Generator) -> Plan:
        """Plan from contexts (B, n * D + O) int64."""
        uniforms = torch.rand(self.search.uniforms_shape(len(context)), generator=generator)
        return self.search.plan(context, uniforms.to(context.device))
