"""The documents of a run folder, as far as the report shows them."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from ttf.findings import Findings


class Document(BaseModel):
    """A mapping in a run folder; fields this report does not use are ignored."""

    model_config = ConfigDict(frozen=True, extra="ignore", protected_namespaces=(), validate_by_name=True)


class Estimate(Document):
    """An estimate with its 95 % interval; that of a single episode has none."""

    estimate: float
    low: float | None = None
    high: float | None = None


class Rate(Estimate):
    """A success rate with its 95 % interval."""

    low: float
    high: float
    count: int | None = None


class PolicyResult(Document):
    """One row of the table of results."""

    policy: str
    episodes: int
    returns: Estimate = Field(validation_alias="return")
    steps: Estimate
    success: Rate | None = None


class Difference(Document):
    """A policy minus a baseline, over the same seeds."""

    policy: str
    against: str
    returns: Estimate | None = Field(default=None, validation_alias="return")
    steps: Estimate | None = None


class Result(Document):
    """The table of results, the planner first."""

    policies: list[PolicyResult] = []
    paired: list[Difference] = []


class EpisodeRecord(Document):
    """One evaluation episode."""

    policy: str
    episode: int
    seed: int
    returns: float = Field(validation_alias="return")
    steps: int
    success: bool | None = None


class Metric(Document):
    """A record of training, the model's or a learner's; which figures it has depends on its kind."""

    model_config = ConfigDict(extra="allow")

    kind: str
    step: int
    learner: str | None = None
    """The critic or the baseline that the record is of."""

    loss: float | None = None
    loss_observation: float | None = None
    loss_action: float | None = None
    loss_reward: float | None = None
    loss_value: float | None = None
    learning_rate: float | None = None
    gradient_norm: float | None = None

    @property
    def losses(self) -> dict[str, float]:
        """A learner's losses, by the names it gives them."""
        others = self.model_extra or {}
        return {name: value for name, value in others.items() if isinstance(value, int | float)}


class Column(Document):
    """What the discretizer made of one column."""

    name: str
    live: int
    dead: int
    low: float
    high: float
    error_mean: float
    error_max: float
    range: float
    clipped_validation: float | None = None
    entropy_bits: float | None = None


class Acting(Document):
    """Values outside the fitted range while acting."""

    clipped: int
    encoded: int


class DiscretizerInfo(Document):
    """The discretizer, column by column."""

    kind: str = "unnamed"
    bins: int | None = None
    columns: list[Column] = []
    acting: Acting | None = None


class AnalysisInfo(Document):
    """What an analysis found."""

    name: str
    step: int | None = None
    config: dict[str, Any] = {}
    """How it was asked; the recipe may say otherwise by now."""

    findings: Findings

    @property
    def options(self) -> dict[str, Any]:
        """How it was asked, without its kind."""
        return {name: value for name, value in self.config.items() if name != "kind"}


class Spread(Document):
    """How a figure of the data's episodes is spread."""

    mean: float
    std: float
    min: float
    max: float


class DataInfo(Document):
    """Where the data came from, and how much of it there is."""

    id: str
    sha256: str | None = None
    details: dict[str, Any] = {}
    episodes: int | None = None
    steps: int | None = None
    returns: Spread | None = Field(default=None, validation_alias="return")
    length: Spread | None = None
    best_fraction: float = 1.0


class LayoutInfo(Document):
    """The columns of a transition."""

    observation: int
    action: int
    names: list[str] = []

    @property
    def subgoal(self) -> int:
        """How many of the action's columns are a subgoal's."""
        return sum(name.startswith("subgoal[") for name in self.names)


class ModelInfo(Document):
    """The trained model."""

    parameters: int
    kind: str


class Git(Document):
    """The state of the repository the run came from."""

    commit: str
    dirty: bool = False


class PretrainedInfo(Document):
    """Where the parts come from that a run planned with and has not trained."""

    folder: str
    recipe: str | None = None
    finished: str | None = None
    seed: int | None = None
    git: Git | None = None
    machine: dict[str, Any] = {}
    timings: dict[str, float] = {}


class Deadline(Document):
    """What the plans of a policy came to that had a deadline."""

    reached: dict[int, int]
    """Plans by the widest beam there was time for."""

    late: int = 0
    latest_ms: float = 0.0

    @property
    def plans(self) -> int:
        """How many there were."""
        return sum(self.reached.values())


class RunInfo(Document):
    """What was run, with what, and where."""

    recipe: str | None = None
    seed: int | None = None
    device: str | None = None
    created: str | None = None
    finished: str | None = None
    command: str | None = None
    versions: dict[str, str | None] = {}
    git: Git | None = None
    machine: dict[str, Any] = {}
    data: DataInfo | None = None
    layout: LayoutInfo | None = None
    model: ModelInfo | None = None
    pretrained: PretrainedInfo | None = None
    deadline: dict[str, Deadline] = {}
    timings: dict[str, float] = {}
