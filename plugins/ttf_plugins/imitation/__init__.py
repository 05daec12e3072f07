"""Imitation: the likeliest trajectory is the plan."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from ttf import hookimpl
from ttf.beam import SearchDecoderConfig
from ttf.component import Component

if TYPE_CHECKING:
    from ttf.interfaces.critic import Critic
    from ttf.interfaces.decoder import Decoder
    from ttf.interfaces.discretizer import Discretizer
    from ttf.interfaces.model import SequenceModel

ttf_api = "1"


class ImitationConfig(SearchDecoderConfig):
    """Likelihood beam search over tokens (Janner et al. 2021, section 3.2), for data worth imitating.

    The plan is the likeliest sequence of tokens that is found. A plan that reaches the end of the episode loses no more
    likelihood, so that a long horizon favours ends: `top_p` or `top_k` leave the unlikely ones out.
    """

    kind: Literal["imitation"] = "imitation"
    """Beam search that maximises likelihood; it uses no random numbers."""

    beam_width: Annotated[int, Field(ge=1, le=65_536)] = 32
    """Plans kept after every token (published: 512); 1 takes the likeliest token each time."""

    top_p: Annotated[float, Field(gt=0, le=1)] | None = None
    """Continue with the likeliest tokens that hold this much of the mass; null for all."""

    top_k: Annotated[int, Field(ge=1)] | None = None
    """Continue with this many of the likeliest tokens; null for all."""

    count_rewards: bool = False
    """Whether the likelihood of rewards and values counts (published: it does); otherwise the likeliest are taken, the
    data needs no rewards, and no two plans differ in nothing else."""

    def build(
        self,
        model: SequenceModel,
        discretizer: Discretizer,
        *,
        discount: float,  # noqa: ARG002  (likelihoods are not discounted)
        critic: Critic | None = None,  # noqa: ARG002  (nothing is asked what it is worth)
    ) -> Decoder:
        """Make the planner."""
        from ttf.likelihood import LikelihoodDecoder, LikelihoodSettings
        from ttf.sampling import Sampling

        settings = LikelihoodSettings(
            horizon=self.horizon,
            beam_width=self.beam_width,
            limit=self.limit(model),
            sampling=Sampling(temperature=self.temperature, top_p=self.top_p, top_k=self.top_k),
            stop=self.stop,
            count_rewards=self.count_rewards,
            cuda_graph=self.recorded,
        )
        return LikelihoodDecoder(model, discretizer, settings)


@hookimpl
def ttf_components() -> list[type[Component]]:
    """Offer the decoder."""
    return [ImitationConfig]
