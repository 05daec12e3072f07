"""The score of value-guided planning."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ttf.errors import RecipeError
from ttf.search import Score, predicted_return
from ttf.subgoals import destinations

if TYPE_CHECKING:
    from torch import Tensor

    from ttf.interfaces.critic import Critic
    from ttf.interfaces.discretizer import Discretizer
    from ttf.search import Candidates
    from ttf_plugins.value_guided import ValueGuidedConfig


def score_of(config: ValueGuidedConfig, discretizer: Discretizer, critic: Critic | None) -> Score:
    """The score that the configuration declares.

    Raises:
        RecipeError: there is no critic.
    """
    if critic is None:
        message = "decoder 'value_guided' needs a critic"
        raise RecipeError(message)
    layout = discretizer.layout

    def term(candidates: Candidates, discount: float) -> Tensor:
        own = predicted_return(candidates, discount)
        if config.mix == 1:
            return own
        if layout.subgoal:
            asked = critic.subgoal_value(destinations(discretizer, candidates.tokens))
        else:
            decoded = discretizer.decode(candidates.tokens)
            asked = critic.action_value(decoded[:, layout.observations], decoded[:, layout.actions])
        return (1 - config.mix) * asked + config.mix * own

    return Score(term, rewards=config.use_rewards, every_step=config.q_at == "every_step")
