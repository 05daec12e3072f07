"""Decoder `my_decoder`: the best of a few sampled plans."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field
from ttf import hookimpl
from ttf.component import Component, DecoderConfig

if TYPE_CHECKING:
    from ttf.interfaces.critic import Critic
    from ttf.interfaces.decoder import Decoder
    from ttf.interfaces.discretizer import Discretizer
    from ttf.interfaces.model import SequenceModel

ttf_api = "1"


class MyDecoderConfig(DecoderConfig):
    """Samples plans from the model and takes the one of which it expects most."""

    kind: Literal["my_decoder"] = "my_decoder"

    horizon: Annotated[int, Field(ge=1, le=1000)] = 5
    """Transitions to plan."""

    plans: Annotated[int, Field(ge=1, le=4096)] = 16
    """Plans to choose from."""

    temperature: Annotated[float, Field(gt=0, le=100)] = 1.0
    """Divides the logits."""

    def build(
        self,
        model: SequenceModel,
        discretizer: Discretizer,
        *,
        discount: float,
        critic: Critic | None = None,  # noqa: ARG002  (the model's own values are asked)
    ) -> Decoder:
        """Make the planner."""
        from my_decoder.my_decoder import MyDecoder

        return MyDecoder(self, model, discretizer, discount)


@hookimpl
def ttf_components() -> list[type[Component]]:
    """The components of this plugin."""
    return [MyDecoderConfig]
