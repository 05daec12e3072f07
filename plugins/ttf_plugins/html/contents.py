"""What a run folder holds, read into types; whatever a partial run lacks is None or empty."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeVar

from pydantic import TypeAdapter, ValidationError

from ttf.errors import DataError
from ttf.interfaces.environment import FloorPlan
from ttf.run_dir import read_lines
from ttf.trajectories import Trajectory, read_trajectories
from ttf_plugins.html.documents import AnalysisInfo, DiscretizerInfo, EpisodeRecord, Metric, Result, RunInfo

if TYPE_CHECKING:
    from pathlib import Path

    from ttf.run_dir import RunDir

T = TypeVar("T")


@dataclass(frozen=True)
class Contents:
    """Everything the report shows."""

    folder: str
    recipe: str | None
    run: RunInfo
    result: Result
    metrics: list[Metric]
    """Records of the model's training."""

    learning: list[Metric]
    """Records of the training of critics and baselines."""

    episodes: list[EpisodeRecord]
    discretizer: DiscretizerInfo | None
    floor: FloorPlan | None
    trajectories: list[Trajectory]
    analyses: list[AnalysisInfo] = field(default_factory=list)

    @property
    def policies(self) -> list[str]:
        """Every policy by name, in the order of the results."""
        named = [row.policy for row in self.result.policies]
        seen = [record.policy for record in self.episodes] + [item.policy for item in self.trajectories]
        return list(dict.fromkeys(named + seen))

    @property
    def analysed(self) -> set[str]:
        """The kinds of the analyses."""
        return {str(item.config.get("kind")) for item in self.analyses}


def read_contents(run: RunDir) -> Contents:
    """Read a run folder.

    Raises:
        DataError: a file of the run is malformed; the message says which, and where.
    """
    metrics = _records(run.metrics, Metric)
    return Contents(
        folder=run.path.resolve().name,
        recipe=run.recipe.read_text(encoding="utf-8", errors="replace") if run.recipe.exists() else None,
        run=_document(run, "run", RunInfo) or RunInfo(),
        result=_document(run, "result", Result) or Result(),
        metrics=[record for record in metrics if record.learner is None],
        learning=[record for record in metrics if record.learner is not None],
        episodes=_records(run.episodes, EpisodeRecord),
        discretizer=_document(run, "discretizer", DiscretizerInfo),
        floor=_document(run, "floor_plan", FloorPlan),
        trajectories=read_trajectories(run.trajectories),
        analyses=[found for name in run.analysed() if (found := _document(run, name, AnalysisInfo)) is not None],
    )


def _document(run: RunDir, name: str, shape: type[T]) -> T | None:
    raw = run.read(name)
    return None if raw is None else _shaped(f"{name}.json", TypeAdapter(shape), raw)


def _records(file: Path, shape: type[T]) -> list[T]:
    adapter = TypeAdapter(shape)
    return [_shaped(f"{file.name}:{line}", adapter, record) for line, record in enumerate(read_lines(file), 1)]


def _shaped(place: str, adapter: TypeAdapter[T], raw: object) -> T:
    try:
        return adapter.validate_python(raw)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        field = ".".join(str(part) for part in first["loc"])
        message = f"{place}: {field}: {first['msg']}" if field else f"{place}: {first['msg']}"
        raise DataError(message) from error
