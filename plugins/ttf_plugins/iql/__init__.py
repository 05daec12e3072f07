"""Implicit Q-learning (Kostrikov et al. 2021): a critic for value-guided planning, and its policy as a baseline."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

from pydantic import ConfigDict, Field, JsonValue, model_validator

from ttf import hookimpl
from ttf.component import BaselineConfig, Component, CriticConfig
from ttf.section import Columns

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ttf.interfaces.critic import Critic
    from ttf.interfaces.data import DataSource
    from ttf.interfaces.environment import Environment
    from ttf.interfaces.learner import Learner
    from ttf.interfaces.policy import Policy
    from ttf.layout import Layout

ttf_api = "1"

#: What the validator below says, for the JSON Schema.
WAVES_OF_DIMS: dict[str, JsonValue] = {
    "if": {"properties": {"subgoal_waves": {"exclusiveMinimum": 0}}, "required": ["subgoal_waves"]},
    "then": {"properties": {"subgoal_dims": {"type": "array"}}, "required": ["subgoal_dims"]},
}


class IQLConfig(CriticConfig):
    """Twin Q-functions and a value function that never ask for the worth of actions that are not in the data.

    Values learn an expectile of `min Q(s, a)` over the actions of the data; Q-functions learn
    `reward + discount * V(next observation)`. Planners are told the smaller one of the averaged Q-functions.
    """

    model_config = ConfigDict(json_schema_extra=lambda schema: schema.update(WAVES_OF_DIMS))

    kind: Literal["iql"] = "iql"
    """Implicit Q-learning."""

    expectile: Annotated[float, Field(gt=0, lt=1)] = 0.7
    """How far values lean towards the best actions of the data; 0.5 is their mean (published: 0.7, AntMaze 0.9)."""

    target_rate: Annotated[float, Field(gt=0, le=1)] = 0.005
    """Share of the learned Q-functions that their averages take over at every update."""

    hidden: Annotated[int, Field(ge=1, le=4096)] = 256
    """Units of a hidden layer."""

    layers: Annotated[int, Field(ge=1, le=16)] = 2
    """Hidden layers of each network."""

    normalise: bool = True
    """Whether observations are brought to mean 0 and deviation 1; actions are always scaled by their range."""

    subgoal_dims: Columns | None = None
    """Indices of the observation that values of subgoals depend on, usually `data.subgoal.dims`: another value
    function, of which planners with subgoals are told. It learns the expectile of what came of `data.subgoal.steps`
    steps, without asking which actions they were (Park et al. 2023, "HIQL", equation 4), and is learned many times
    sooner than by single steps. null for none; planners are then told V."""

    subgoal_waves: Annotated[int, Field(ge=0, le=64)] = 0
    """Sines and cosines of each of those dimensions that values of subgoals are made of, in place of the dimension
    itself (Fourier features, Tancik et al. 2020); the slowest of them rises over four deviations. Such values are
    sharper, and do not rise beyond a goal where no data is. 0 for none."""

    policy: bool = False
    """Whether to train a policy too, for the baseline `iql`: a Gaussian whose mean lies within the range of the data's
    actions, learned at a rate that falls to 0 as a cosine. It acts with the mean."""

    beta: Annotated[float, Field(ge=0, le=1000)] = 3.0
    """How strongly the policy prefers better actions; 0 clones the behaviour (published: 3, AntMaze 10)."""

    advantage_clip: Annotated[float, Field(gt=0, le=1e6)] = 100.0
    """Largest weight `exp(beta * (min Q(s, a) - V(s)))` of an action in the policy's loss."""

    @model_validator(mode="after")
    def _waves_of_dims(self) -> IQLConfig:
        if self.subgoal_waves and self.subgoal_dims is None:
            message = "subgoal_waves are waves of subgoal_dims: set subgoal_dims too, or subgoal_waves to 0"
            raise ValueError(message)
        return self

    def build(self, layout: Layout, *, discount: float) -> Critic:  # noqa: ARG002  (transitions carry it)
        """Make the critic with fresh weights.

        Raises:
            RecipeError: `subgoal_dims` has an index that no observation has.
        """
        from ttf_plugins.iql.iql import IQL

        return IQL(self, layout)


class IQLPolicyConfig(BaselineConfig):
    """The policy that the critic has learned beside its values; `critic.policy` must be true."""

    requires: ClassVar[tuple[str, ...]] = ("environment", "evaluation", "critic")
    per_transition: ClassVar[bool] = True

    kind: Literal["iql"] = "iql"
    """The critic's own policy."""

    def build(
        self,
        source: DataSource,  # noqa: ARG002  (the critic has seen it)
        environment: Environment,  # noqa: ARG002  (its bounds are kept for it)
        *,
        learner: Learner | None = None,  # noqa: ARG002
        critic: Critic | None = None,
    ) -> Policy:
        """Take the critic's policy.

        Raises:
            RecipeError: there is no critic, or it learns none.
        """
        from ttf_plugins.iql.baseline import policy_of

        return policy_of(critic)


@hookimpl
def ttf_components() -> Iterable[type[Component]]:
    """What this plugin provides."""
    return [IQLConfig, IQLPolicyConfig]
