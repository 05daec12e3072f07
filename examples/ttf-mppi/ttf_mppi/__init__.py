"""Decoder `mppi`: model predictive path integral control with a sequence model."""

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


class MPPIConfig(DecoderConfig):
    """Averages the actions of sampled plans, better plans counting more (Williams et al. 2017)."""

    kind: Literal["mppi"] = "mppi"

    horizon: Annotated[int, Field(ge=1, le=1000)] = 10
    """Transitions to plan."""

    samples: Annotated[int, Field(ge=1, le=65_536)] = 64
    """Plans to average."""

    refinements: Annotated[int, Field(ge=0, le=100)] = 1
    """How often plans are sampled anew around the average; 0 averages what the model samples."""

    noise: Annotated[float, Field(ge=0, le=10)] = 0.1
    """Deviation of actions around the average, as a share of their range in the data."""

    temperature: Annotated[float, Field(gt=0, le=1000)] = 0.2
    """Difference in return, in standard deviations of all, that makes a plan count e times as much."""

    def build(
        self,
        model: SequenceModel,
        discretizer: Discretizer,
        *,
        discount: float,
        critic: Critic | None = None,  # noqa: ARG002  (the model's own values are asked)
    ) -> Decoder:
        """Make the planner."""
        from ttf_mppi.mppi import MPPI

        return MPPI(self, model, discretizer, discount)


@hookimpl
def ttf_components() -> list[type[Component]]:
    """The components of this plugin."""
    return [MPPIConfig]
