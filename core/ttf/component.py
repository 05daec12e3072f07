"""Component: what a recipe can name. A component is its configuration; ``build`` makes the implementation.

This module and everything a plugin's ``__init__.py`` imports stay free of torch, so that recipes are
checked in a fraction of a second; only ``build`` imports the implementation.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

from pydantic import Field

from ttf.section import Columns, GoalConfig, LearningFields, Section, SubgoalConfig

if TYPE_CHECKING:
    from ttf.interfaces.analysis import Analysis
    from ttf.interfaces.critic import Critic
    from ttf.interfaces.data import DataSource
    from ttf.interfaces.decoder import Decoder
    from ttf.interfaces.discretizer import Discretizer
    from ttf.interfaces.environment import Environment
    from ttf.interfaces.launcher import Launcher
    from ttf.interfaces.learner import Learner
    from ttf.interfaces.model import SequenceModel
    from ttf.interfaces.policy import Policy
    from ttf.interfaces.progress import Progress
    from ttf.interfaces.reporter import Reporter
    from ttf.layout import Layout
    from ttf.run_dir import RunDir

__all__ = [
    "SLOTS",
    "AnalysisConfig",
    "BaselineConfig",
    "Component",
    "CriticConfig",
    "DataConfig",
    "DecoderConfig",
    "DiscretizerConfig",
    "EnvironmentConfig",
    "LauncherConfig",
    "LearnedBaselineConfig",
    "LearningFields",
    "ModelConfig",
    "ReporterConfig",
]


class Component(Section, ABC):
    """A part of a recipe that plugins provide.

    A subclass narrows ``kind`` to one literal with itself as default, gives every field a default, a bound
    and a sentence below it, and implements its slot's ``build``.
    """

    slot: ClassVar[str]
    """The section of a recipe this component fills."""

    requires: ClassVar[tuple[str, ...]] = ()
    """Other sections a recipe must have for this component to work."""

    kind: str
    """The name of the component within its slot."""

    def check(self) -> None:
        """Look for what ``build`` needs, as far as that is quick; a study asks before anything runs.

        Nothing is looked for unless a component says so itself.

        Raises:
            DataError: it is not there.
        """


class DataConfig(Component):
    """Where episodes come from, and how they become rows of observation, action, reward and value."""

    slot = "data"

    best_fraction: Annotated[float, Field(gt=0, le=1)] = 1.0
    """Share of the episodes, those with the highest return, that is learned from (0.1: `10 % BC`, Chen et al. 2021)."""

    discount: Annotated[float, Field(gt=0, le=1)] = 0.99
    """Discount factor of the value column and of the planner."""

    terminal_penalty: float | None = None
    """Reward that replaces the recorded one where an episode terminates (published: -100); null keeps it."""

    reward_scale: Annotated[float, Field(ge=0, le=1e6)] = 1.0
    """What learned rewards are multiplied by; 0 makes data without rewards. Results show the environment's own."""

    reward_shift: Annotated[float, Field(ge=-1e6, le=1e6)] = 0.0
    """What is added to every scaled reward; -1 turns a reward of 1 at the goal into a cost of 1 a step before it."""

    goal: GoalConfig | None = None
    """The goal before every trajectory, for data and environments that have one; null for none."""

    subgoal: SubgoalConfig | None = None
    """Where every action is to lead, for planners to choose among places; null for none."""

    observation_dims: Columns | None = None
    """Indices of the flattened observation to keep, in order (published for Ant: the first 27); null keeps all."""

    stride: Annotated[int, Field(ge=1, le=1000)] = 1
    """Environment steps of a transition (the published `step`, which drops the rewards between; here they are
    summed). The planner holds each action for as long."""

    stride_action: Literal["first", "mean"] = "first"
    """A transition's action: that of its first step, as published, or the mean of all its steps' actions, which leaves
    less noise to be learned and comes to about the same place when it is held."""

    seed: Annotated[int, Field(ge=0, le=2**32 - 1)] | None = None
    """Seed of what is collected and of which episodes are held out; null for the recipe's `seed`. Studies fix it, so
    that all their cells learn from the same data."""

    @abstractmethod
    def build(self, *, seed: int, progress: Progress) -> DataSource:
        """Open, download or collect the episodes.

        Raises:
            DataError: the data set is missing or cannot be made.
        """


class DiscretizerConfig(Component):
    """How each column of a row becomes a token."""

    slot = "discretizer"

    bins: Annotated[int, Field(ge=2, le=4096)] = 100
    """Bins per dimension, N; the token N means that the trajectory has ended."""

    @abstractmethod
    def build(self, layout: Layout) -> Discretizer:
        """Make the discretizer, not fitted yet."""


class ModelConfig(Component):
    """The sequence model: which token comes next."""

    slot = "model"
    requires: ClassVar[tuple[str, ...]] = ("discretizer", "training")

    context: Annotated[int, Field(ge=1, le=1024)] = 10
    """Transitions of a training window: the one being predicted and those before it; 2 makes a Markovian model, 1 one
    of single transitions, with which decoders can plan no further."""

    @abstractmethod
    def build(self, layout: Layout, bins: int) -> SequenceModel:
        """Make the model with fresh weights, drawn from torch's global generator."""


class CriticConfig(LearningFields, Component):
    """What actions are worth, learned from single transitions and asked by decoders."""

    slot = "critic"

    @abstractmethod
    def build(self, layout: Layout, *, discount: float) -> Critic:
        """Make the critic with fresh weights, drawn from torch's global generator; ``discount`` is a transition's."""


class DecoderConfig(Component):
    """The planner: from a context of tokens to the transitions that should follow."""

    slot = "decoder"
    requires: ClassVar[tuple[str, ...]] = ("discretizer", "model")

    context: Annotated[int, Field(ge=2, le=1024)] = 5
    """Transitions the planner sees: the one being planned and those before it; at most the model's own `context`, a
    larger number changes nothing."""

    memory: bool = True
    """Whether the planner sees past transitions at all, as published. Without, every plan is made as if the episode had
    just begun: a model of what demonstrators do next otherwise goes on with what it has just done."""

    plan_every: Annotated[int, Field(ge=1, le=1000)] = 1
    """Transitions between two plans; those between follow the last one, while it lasts (published: 1)."""

    actions: Literal["planned", "expected"] = "planned"
    """`planned` takes the actions of the plan, as published; `expected` the model's expectation of each, given the
    tokens planned before it: closer to a demonstrator that is itself not random."""

    @abstractmethod
    def build(
        self, model: SequenceModel, discretizer: Discretizer, *, discount: float, critic: Critic | None
    ) -> Decoder:
        """Make the decoder for a trained model; ``critic`` is the recipe's, if it has one."""


class EnvironmentConfig(Component):
    """Where a planner acts."""

    slot = "environment"

    @abstractmethod
    def build(self, source: DataSource) -> Environment:
        """Make the environment that the data came from, or the one that the recipe names.

        Raises:
            DataError: the data set names no environment, or it cannot be made.
        """


class BaselineConfig(Component):
    """A policy that stands beside the planner in the results."""

    slot = "baselines"
    needs_data: ClassVar[bool] = False
    """Whether the policy cannot be made without the episodes; a run with pretrained parts then leaves it out."""

    requires: ClassVar[tuple[str, ...]] = ("environment", "evaluation")

    per_transition: ClassVar[bool] = False
    """Whether the policy was learned from transitions, so that each of its actions is clipped to the environment's
    bounds and held for `data.stride` steps; others act at every step."""

    @abstractmethod
    def build(
        self, source: DataSource, environment: Environment, *, learner: Learner | None, critic: Critic | None
    ) -> Policy:
        """Make the policy, before anything is trained.

        Args:
            source: the data.
            environment: where the policy acts.
            learner: of a :class:`LearnedBaselineConfig`; it is trained before the policy acts.
            critic: the recipe's, if it has one; it is trained before the policy acts.

        Raises:
            DataError: the data cannot provide it.
            RecipeError: another section of the recipe does not fit.
        """


class LearnedBaselineConfig(LearningFields, BaselineConfig):
    """A policy that must be trained first."""

    needs_data = True

    per_transition: ClassVar[bool] = True

    @abstractmethod
    def learner(self, layout: Layout) -> Learner:
        """Make what is trained, with fresh weights drawn from torch's global generator."""


class AnalysisConfig(Component):
    """A question asked of the run once it is trained and evaluated; what is found stands in the report."""

    slot = "analyses"

    @abstractmethod
    def build(self) -> Analysis:
        """Make the analysis."""


class ReporterConfig(Component):
    """What is done with metrics, evaluation episodes and results."""

    slot = "reporters"

    @abstractmethod
    def build(self, run: RunDir) -> Reporter:
        """Open the reporter for a run, at its start or when it is resumed."""


class LauncherConfig(Component):
    """Where the cells of a study run: each is a process of its own."""

    slot = "launcher"

    time_limit: Annotated[float, Field(gt=0, le=1e5)] | None = None
    """Minutes after which a cell that still runs has failed; null for no limit."""

    memory: Annotated[float, Field(gt=0, le=1e5)] | None = None
    """GiB of memory above which a cell has failed; null for no limit."""

    threads: Annotated[int, Field(ge=1, le=1024)] = 1
    """Processor threads of a cell."""

    @abstractmethod
    def build(self) -> Launcher:
        """Make the launcher; what it needs and is not there is a ResourceError."""


#: The slots of a recipe that components fill, and whether a recipe lists several.
SLOTS: dict[str, tuple[type[Component], bool]] = {
    "data": (DataConfig, False),
    "discretizer": (DiscretizerConfig, False),
    "model": (ModelConfig, False),
    "critic": (CriticConfig, False),
    "decoder": (DecoderConfig, False),
    "environment": (EnvironmentConfig, False),
    "baselines": (BaselineConfig, True),
    "analyses": (AnalysisConfig, True),
    "reporters": (ReporterConfig, True),
    "launcher": (LauncherConfig, False),
}
