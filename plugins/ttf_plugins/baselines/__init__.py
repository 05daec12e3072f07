"""The baselines ``random`` and ``behaviour``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from ttf import hookimpl
from ttf.component import BaselineConfig, Component

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ttf.interfaces.critic import Critic
    from ttf.interfaces.data import DataSource
    from ttf.interfaces.environment import Environment
    from ttf.interfaces.learner import Learner
    from ttf.interfaces.policy import Policy

ttf_api = "1"


class RandomConfig(BaselineConfig):
    """Actions drawn uniformly between the environment's bounds."""

    kind: Literal["random"] = "random"

    def build(
        self,
        source: DataSource,  # noqa: ARG002  (needs no data)
        environment: Environment,
        *,
        learner: Learner | None = None,  # noqa: ARG002
        critic: Critic | None = None,  # noqa: ARG002
    ) -> Policy:
        """Make the policy."""
        from ttf_plugins.baselines.random import RandomPolicy

        return RandomPolicy(environment.action_low, environment.action_high)


class BehaviourConfig(BaselineConfig):
    """The policy that made the data, for data sets that can run it again."""

    kind: Literal["behaviour"] = "behaviour"

    needs_data = True

    def build(
        self,
        source: DataSource,
        environment: Environment,  # noqa: ARG002  (the data knows it)
        *,
        learner: Learner | None = None,  # noqa: ARG002
        critic: Critic | None = None,  # noqa: ARG002
    ) -> Policy:
        """Take the policy from the data set.

        Raises:
            DataError: the data set cannot run it.
        """
        from ttf_plugins.baselines.behaviour import behaviour_of

        return behaviour_of(source)


@hookimpl
def ttf_components() -> Iterable[type[Component]]:
    """What this plugin provides."""
    return [RandomConfig, BehaviourConfig]
