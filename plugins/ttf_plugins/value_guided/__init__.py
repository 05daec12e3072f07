"""Value-guided planning: a critic, not the sequence model, says what lies beyond the horizon."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

from pydantic import Field

from ttf import hookimpl
from ttf.beam import BeamDecoderConfig
from ttf.component import Component

if TYPE_CHECKING:
    from ttf.interfaces.critic import Critic
    from ttf.interfaces.decoder import Decoder
    from ttf.interfaces.discretizer import Discretizer
    from ttf.interfaces.model import SequenceModel

ttf_api = "1"


class ValueGuidedConfig(BeamDecoderConfig):
    """Beam search with a Q-function as heuristic (Janner et al. 2021, section 4.4), for sparse, long-horizon tasks.

    After transition t a plan scores `sum of discount^i * reward_i over i < t`, which `use_rewards` can leave out, and
    `discount^t * ((1 - mix) * Q(s_t, a_t) + mix * (reward_t + discount * value_t))`, with the expectations of the model
    and Q of the decoded tokens. The published formula is not public. With subgoals (`data.subgoal`) the critic is not
    asked for Q but for V of where the action leads: the state with the subgoal's dimensions moved there.
    """

    kind: Literal["value_guided"] = "value_guided"
    """Beam search that maximises predicted rewards and what a critic makes of the last action."""

    requires: ClassVar[tuple[str, ...]] = ("discretizer", "model", "critic")

    q_at: Literal["leaf", "every_step"] = "leaf"
    """`leaf`: the second term of the last transition only; `every_step`: the sum of those of all transitions."""

    use_rewards: bool = True
    """Whether the rewards predicted before the last transition count."""

    mix: Annotated[float, Field(ge=0, le=1)] = 0.0
    """Share of the model's own reward and value in the second term; 1 leaves the critic unasked."""

    def build(
        self, model: SequenceModel, discretizer: Discretizer, *, discount: float, critic: Critic | None
    ) -> Decoder:
        """Make the planner.

        Raises:
            RecipeError: there is no critic.
        """
        from ttf.search import BeamDecoder
        from ttf_plugins.value_guided.value_guided import score_of

        return BeamDecoder(
            model, discretizer, self.settings(model, discount=discount), score_of(self, discretizer, critic)
        )


@hookimpl
def ttf_components() -> list[type[Component]]:
    """Offer the decoder."""
    return [ValueGuidedConfig]
