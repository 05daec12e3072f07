"""Section: a mapping of a recipe; those within the one about data, and what all that learn from transitions say."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

__all__ = ["Columns", "GoalConfig", "Section", "SubgoalConfig"]


class Section(BaseModel):
    """A mapping of a recipe: frozen, strict about numbers, closed to unknown fields."""

    model_config = ConfigDict(
        frozen=True,
        strict=True,
        extra="forbid",
        allow_inf_nan=False,
        use_attribute_docstrings=True,
        validate_default=True,
        protected_namespaces=(),
    )


def _each_once(numbers: list[int]) -> list[int]:
    for number in numbers:
        if numbers.count(number) > 1:
            message = f"must name each once, found {number} twice"
            raise ValueError(message)
    return numbers


Columns = Annotated[
    list[Annotated[int, Field(ge=0)]],
    AfterValidator(_each_once),
    Field(min_length=1, json_schema_extra={"uniqueItems": True}),
]


class GoalConfig(Section):
    """A goal before every trajectory, on which all predictions depend (Janner et al. 2021, section 3.2).

    No reward is needed: what an episode did was right for the place where it ended. Indices are of the flattened
    observation, after `observation_dims`.
    """

    achieved: Columns = [0, 1]
    """Dimensions that tell what is reached, such as a position; their last values are an episode's goal."""

    desired: Columns = [2, 3]
    """Dimensions that hold the goal while acting, in the same order; they are taken out of the transition."""

    learned: Literal["achieved", "desired"] = "achieved"
    """The goal of an episode of the data: `achieved`, where it ended, as published; or `desired`, what its demonstrator
    was told to reach, for data that say so. Where being near is enough, few episodes end at places behind which there
    is nothing, and goals there are then never seen."""

    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.1
    """Share of training windows whose goal is hidden. Above 0, the same model without a goal is evaluated too."""

    @model_validator(mode="after")
    def _fit_each_other(self) -> GoalConfig:
        if len(self.achieved) != len(self.desired):
            message = f"achieved and desired must be equally long, found {len(self.achieved)} and {len(self.desired)}"
            raise ValueError(message)
        if shared := set(self.achieved) & set(self.desired):
            message = f"dimension {min(shared)} cannot be both achieved and desired"
            raise ValueError(message)
        return self


class LearningFields(Section):
    """How a component that learns from single transitions is trained."""

    updates: Annotated[int, Field(ge=1, le=100_000_000)] = 50_000
    """Updates."""

    batch_size: Annotated[int, Field(ge=1, le=65_536)] = 256
    """Transitions per update."""

    learning_rate: Annotated[float, Field(gt=0, le=1)] = 3e-4
    """Learning rate of Adam."""


class SubgoalConfig(Section):
    """A subgoal before every action: how the observation will have changed some steps later.

    It is planned with the action that follows from it, and not carried out. A planner chooses where to go first, which
    actions with noise of their own hardly tell, and how to go there after that (future states first, as goals are;
    subgoals of so many steps are those of Park et al. 2023, "HIQL"). Indices are of the flattened observation, after
    `observation_dims`.
    """

    dims: Columns = [0, 1]
    """Dimensions that tell where something is, such as a position."""

    steps: Annotated[int, Field(ge=1, le=10_000)] = 20
    """Environment steps until then; the end of the episode may come before."""
