"""The baseline ``bc``: behaviour cloning."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from ttf import hookimpl
from ttf.component import Component, LearnedBaselineConfig

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ttf.interfaces.critic import Critic
    from ttf.interfaces.data import DataSource
    from ttf.interfaces.environment import Environment
    from ttf.interfaces.learner import Learner
    from ttf.interfaces.policy import Policy
    from ttf.layout import Layout

ttf_api = "1"


class BehaviourCloningConfig(LearnedBaselineConfig):
    """Imitates the data, good and bad alike: a network trained to give the recorded action of an observation.

    It minimises the mean squared error of the actions, each dimension scaled by its range.
    """

    kind: Literal["bc"] = "bc"
    """Behaviour cloning."""

    hidden: Annotated[int, Field(ge=1, le=4096)] = 256
    """Units of a hidden layer."""

    layers: Annotated[int, Field(ge=1, le=16)] = 2
    """Hidden layers."""

    normalise: bool = True
    """Whether observations are brought to mean 0 and deviation 1."""

    def learner(self, layout: Layout) -> Learner:
        """Make the network with fresh weights."""
        from ttf_plugins.bc.bc import Cloning

        return Cloning(self, layout)

    def build(
        self,
        source: DataSource,  # noqa: ARG002  (the learner has seen it)
        environment: Environment,  # noqa: ARG002  (its bounds are kept for it)
        *,
        learner: Learner | None = None,
        critic: Critic | None = None,  # noqa: ARG002
    ) -> Policy:
        """Make the policy."""
        from ttf_plugins.bc.bc import policy_of

        return policy_of(learner)


@hookimpl
def ttf_components() -> Iterable[type[Component]]:
    """What this plugin provides."""
    return [BehaviourCloningConfig]
