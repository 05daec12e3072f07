"""Beam search for offline reinforcement learning: plans are scored by predicted rewards and values."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from ttf import hookimpl
from ttf.beam import BeamDecoderConfig
from ttf.component import Component

if TYPE_CHECKING:
    from ttf.interfaces.critic import Critic
    from ttf.interfaces.decoder import Decoder
    from ttf.interfaces.discretizer import Discretizer
    from ttf.interfaces.model import SequenceModel

ttf_api = "1"


class BeamSearchConfig(BeamDecoderConfig):
    """The published planner (Janner et al. 2021, section 3.2, algorithm 1, as its code has it)."""

    kind: Literal["beam_search"] = "beam_search"
    """Beam search that maximises predicted rewards and the value after them."""

    def build(
        self,
        model: SequenceModel,
        discretizer: Discretizer,
        *,
        discount: float,
        critic: Critic | None = None,  # noqa: ARG002  (the model's own values are asked)
    ) -> Decoder:
        """Make the planner."""
        from ttf.search import BeamDecoder

        return BeamDecoder(model, discretizer, self.settings(model, discount=discount))


@hookimpl
def ttf_components() -> list[type[Component]]:
    """Offer the decoder."""
    return [BeamSearchConfig]
