"""Baseline `my_baselines`: do what was done in the most similar situation of the data."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field
from ttf import hookimpl
from ttf.component import BaselineConfig, Component

if TYPE_CHECKING:
    from ttf.interfaces.critic import Critic
    from ttf.interfaces.data import DataSource
    from ttf.interfaces.environment import Environment
    from ttf.interfaces.learner import Learner
    from ttf.interfaces.policy import Policy

ttf_api = "1"


class MyBaselinesConfig(BaselineConfig):
    """The recorded action of the most similar observation in the data."""

    needs_data = True

    kind: Literal["my_baselines"] = "my_baselines"

    steps: Annotated[int, Field(ge=1, le=10_000_000)] = 10_000
    """Steps of the data to compare with, the first ones."""

    def build(
        self,
        source: DataSource,
        environment: Environment,
        *,
        learner: Learner | None = None,  # noqa: ARG002  (nothing is trained)
        critic: Critic | None = None,  # noqa: ARG002  (nothing is asked what it is worth)
    ) -> Policy:
        """Make the policy."""
        from my_baselines.my_baselines import make_policy

        return make_policy(source, environment, self.steps)


@hookimpl
def ttf_components() -> list[type[Component]]:
    """The components of this plugin."""
    return [MyBaselinesConfig]
