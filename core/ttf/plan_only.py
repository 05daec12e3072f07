"""A run that plans with pretrained parts: no data is opened, nothing is trained."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING, final

import numpy as np

from ttf.device import resolve_device
from ttf.episodes import Rows
from ttf.errors import CheckpointError, RecipeError
from ttf.experiment import Experiment
from ttf.interfaces.data import DataSource, EnvironmentSpec, Provenance
from ttf.interrupts import handled
from ttf.observations import ObservationRule
from ttf.prepare import Data, take_apart
from ttf.recipe import named
from ttf.runs import create_run, locked

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    import torch
    from torch import Tensor, nn

    from ttf.component import DiscretizerConfig, ModelConfig
    from ttf.interfaces.critic import Critic
    from ttf.interfaces.data import Episode
    from ttf.interfaces.discretizer import Discretizer
    from ttf.interfaces.model import SequenceModel
    from ttf.interfaces.policy import Policy
    from ttf.interfaces.progress import Progress
    from ttf.interfaces.reporter import Reporter
    from ttf.interrupts import Interrupts
    from ttf.prepare import Baseline
    from ttf.pretrained import Pretrained
    from ttf.recipe import Recipe
    from ttf.run_dir import RunDir
    from ttf.sections import TrainingConfig


def run_pretrained(recipe: Recipe, pretrained: Pretrained, *, runs_dir: Path, progress: Progress) -> RunDir:
    """Plan and evaluate what a recipe says, with pretrained parts; what needs data or training is left out.

    Args:
        recipe: loaded and checked.
        pretrained: the parts.
        runs_dir: folder of run folders.
        progress: told how far the run is, and what is left out.

    Raises:
        TtfError: the parts do not fit the recipe, or an environment, the machine or a signal ended the run.
    """
    pretrained.check(recipe)
    if recipe.decoder is None or recipe.evaluation is None:
        message = "--pretrained plans and evaluates; the recipe needs a 'decoder' and an 'evaluation' section"
        raise RecipeError(message)
    kept = [config for config in recipe.baselines if not config.needs_data]
    for config in recipe.baselines:
        if config.needs_data:
            progress.note(f"baseline {config.kind!r} is left out: it needs the data")
    for name in named(recipe.analyses):
        progress.note(f"analysis {name!r} is left out: it needs the data")
    smaller = recipe.model_copy(update={"baselines": kept, "analyses": []})
    made = pretrained.described.made
    progress.note(f"nothing is trained: {pretrained.folder} was, for {recipe.name!r}, until {made.get('finished')}")
    device = resolve_device(recipe.device)
    run = create_run(runs_dir, recipe)
    with handled("run it again") as interrupts, locked(run):
        experiment = PlanOnly(smaller, run, device, progress, interrupts, pretrained)
        with experiment.closing:
            experiment.run()
    return run


@final
class PlanOnly(Experiment):
    """An experiment whose trained parts are read from files."""

    def __init__(
        self,
        recipe: Recipe,
        run: RunDir,
        device: torch.device,
        progress: Progress,
        interrupts: Interrupts,
        pretrained: Pretrained,
    ) -> None:
        super().__init__(recipe, run, device, progress, interrupts)
        self.pretrained = pretrained

    def _load_data(self) -> Data:
        described = self.pretrained.described
        goals, layout = take_apart(self.recipe.data, described.observation, described.action)
        empty = np.zeros((0, layout.width), dtype=np.float32)
        none = np.zeros(0, dtype=np.int64)
        rows = Rows(layout, empty, none, none.astype(np.bool_), np.zeros((0, layout.goal), dtype=np.float32))
        self._update(
            data=described.data,
            layout={"observation": layout.observation, "action": layout.action, "names": layout.names},
            pretrained={"folder": self.pretrained.folder.name, "recipe": described.recipe, **described.made},
            command=f"ttf run recipe.yaml --pretrained-from {shlex.quote(str(self.pretrained.folder.resolve()))}",
        )
        return Data(_Described(self.pretrained), rows, rows, [], goals)

    def _fit(self, config: DiscretizerConfig, data: Data) -> Discretizer:
        discretizer = config.build(data.rows.layout)
        self._fill(discretizer, self.pretrained.tensors("model")["discretizer"], "discretizer")
        self.run_dir.write("discretizer", {"kind": config.kind, "bins": config.bins, "columns": []})
        return discretizer

    def _train(
        self,
        config: ModelConfig,
        training: TrainingConfig,  # noqa: ARG002
        data: Data,
        discretizer: Discretizer,
        reporters: list[Reporter],  # noqa: ARG002
    ) -> SequenceModel:
        model = config.build(data.rows.layout, discretizer.bins)
        self._fill(model, self.pretrained.tensors("model")["model"], "model")
        self._update(model={"kind": config.kind, "parameters": sum(p.numel() for p in model.parameters())})
        discretizer.to(self.device)
        return model.to(self.device).eval()

    def _learn(
        self,
        critic: Critic | None,
        baselines: Mapping[str, Baseline],  # noqa: ARG002
        data: Data,  # noqa: ARG002
        reporters: list[Reporter],  # noqa: ARG002
    ) -> None:
        if critic is not None:
            self._fill(critic, self.pretrained.tensors("critic")["learner"], "critic")
            critic.eval().requires_grad_(requires_grad=False)

    def _fill(self, module: nn.Module, tensors: Mapping[str, Tensor], part: str) -> None:
        try:
            module.load_state_dict(tensors)
        except RuntimeError as error:
            message = f"{self.pretrained.folder}: the pretrained {part} does not fit the recipe's: {error}"
            raise CheckpointError(message) from error


@final
class _Described(DataSource):
    """What pretrained files tell of the data they were made from."""

    def __init__(self, pretrained: Pretrained) -> None:
        self._pretrained, self._described = pretrained, pretrained.described

    def episodes(self) -> Sequence[Episode]:
        """None: they are not here."""
        return []

    @property
    def provenance(self) -> Provenance:
        """Id and hash of the data."""
        data = self._described.data
        return Provenance(str(data.get("id")), str(data.get("sha256")))

    @property
    def environment(self) -> EnvironmentSpec | None:
        """Where it was recorded."""
        described = self._described
        return EnvironmentSpec(described.environment, self._pretrained.options) if described.environment else None

    @property
    def rule(self) -> ObservationRule:
        """How observations were flattened."""
        keys, dims = self._described.keys, self._described.dims
        return ObservationRule(tuple(keys) if keys is not None else None, tuple(dims) if dims is not None else None)

    def behaviour(self) -> Policy | None:
        """It cannot act again without the data."""
        return None
