"""The baseline ``iql``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ttf.errors import RecipeError

if TYPE_CHECKING:
    from ttf.interfaces.critic import Critic
    from ttf.interfaces.policy import Policy


def policy_of(critic: Critic | None) -> Policy:
    """The critic's own policy.

    Raises:
        RecipeError: there is none.
    """
    policy = critic.policy() if critic is not None else None
    if policy is None:
        message = "baseline 'iql' needs a critic that learns a policy: set critic.policy to true"
        raise RecipeError(message)
    return policy
