"""Experiment: a recipe being run in a folder: data, discretizer, model, evaluation, analyses, report, in one pass."""

from __future__ import annotations

import time
from contextlib import ExitStack, contextmanager
from dataclasses import asdict
from functools import partial
from typing import TYPE_CHECKING, Any

import torch

from ttf import checkpoint
from ttf.agent import PlanningPolicy
from ttf.analyse import askable, run_analyses
from ttf.device import gpu, has_bfloat16
from ttf.episodes import Rows, Windows, tokenise
from ttf.errors import DataError
from ttf.evaluate import evaluate
from ttf.goals import encode_goal
from ttf.holding import HoldingPolicy
from ttf.learn import learned_steps, learning_loops
from ttf.planners import describe_planning, make_planners
from ttf.prepare import (
    Baseline,
    Data,
    describe,
    difference,
    load_data,
    make_baselines,
    make_critic,
    make_environment,
    statistics,
)
from ttf.recipe import dump
from ttf.reconstruction import reconstruction
from ttf.results import summarise
from ttf.run_dir import read_lines, save_trajectories, write_lines, write_text
from ttf.runs import training_hash
from ttf.shared_parts import SharedParts
from ttf.stages import Stages, learner_parts, model_parts
from ttf.together import make_trainer, train
from ttf.versions import git_state, machine, now, versions

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    import numpy as np
    from numpy.typing import NDArray

    from ttf.checkpoint import Checkpoint
    from ttf.component import DiscretizerConfig, ModelConfig
    from ttf.distributed import Company
    from ttf.interfaces.critic import Critic
    from ttf.interfaces.discretizer import Discretizer
    from ttf.interfaces.environment import Environment
    from ttf.interfaces.model import SequenceModel
    from ttf.interfaces.policy import Policy
    from ttf.interfaces.progress import Progress
    from ttf.interfaces.reporter import Reporter
    from ttf.interrupts import Interrupts
    from ttf.recipe import Recipe
    from ttf.run_dir import RunDir
    from ttf.sections import EvaluationConfig, TrainingConfig


class Experiment:
    """A recipe being run in a run folder."""

    def __init__(
        self,
        recipe: Recipe,
        run: RunDir,
        device: torch.device,
        progress: Progress,
        interrupts: Interrupts,
        stages: Stages | None = None,
        company: Company | None = None,
    ) -> None:
        self.recipe, self.run_dir, self.device = recipe, run, device
        self.progress, self.interrupts = progress, interrupts
        self.company = company
        self.shared = SharedParts(stages, run, progress)
        self.closing = ExitStack()
        self.record: dict[str, Any] = run.read("run") or {}
        self.saved = self._newest_checkpoint()

    def run(self) -> None:
        """Data, environment, discretizer, model, evaluation, analyses, report."""
        self._begin()
        with self._timed("data"):
            data = self._load_data()
        environment = make_environment(self.recipe, data)
        if environment is not None:
            self.closing.callback(environment.close)
            if differs := difference(data.source.environment, environment):
                self.progress.note(differs)
            self._update(environment={"id": environment.id, "options": dict(environment.options)})
        critic = make_critic(self.recipe, data.whole)
        if critic is not None:
            critic.to(self.device)
        baselines = make_baselines(self.recipe, data, environment, critic, self.device) if environment else {}
        reporters = [config.build(self.run_dir) for config in self.recipe.reporters]
        discretizer = self._fit(self.recipe.discretizer, data) if self.recipe.discretizer else None
        analyses = askable(self.recipe, data, discretizer, self.progress)
        self._learn(critic, baselines, data, reporters)
        model: SequenceModel | None = None
        planner: dict[str, PlanningPolicy] = {}
        if discretizer is not None and self.recipe.model is not None and self.recipe.training is not None:
            model = self._train(self.recipe.model, self.recipe.training, data, discretizer, reporters)
            planner = make_planners(self.recipe, model, discretizer, critic, environment, data.goals)
        if environment is not None and self.recipe.evaluation is not None:
            with self._timed("evaluation"):
                policies: dict[str, Policy] = {
                    name: HoldingPolicy(policy, self.recipe.data) for name, policy in planner.items()
                }
                policies |= {name: baseline.policy for name, baseline in baselines.items()}
                self._evaluate(self.recipe.evaluation, policies, environment, reporters)
            self._update(**describe_planning(planner, self.run_dir, self.progress))
        if analyses:
            with self._timed("analyses"):
                run_analyses(self.recipe, self.run_dir, data, discretizer, model, analyses, self.progress)
        self._finish(reporters)

    def _begin(self) -> None:
        write_text(self.run_dir.recipe, dump(self.recipe))
        self._update(
            recipe=self.recipe.name,
            seed=self.recipe.seed,
            device=str(self.device),
            created=self.record.get("created", now()),
            finished=None,
            command="ttf run recipe.yaml",
            versions=versions(),
            git=git_state(),
            machine={**machine(), **gpu(), "threads": torch.get_num_threads()},
            processes=self.company.size if self.company else 1,
            timings=self.record.get("timings", {}),
            training_hash=training_hash(self.recipe),
        )

    def _finish(self, reporters: list[Reporter]) -> None:
        """Let the reporters finish; a run whose report has failed is not finished."""
        self._update(finished=now())  # reports say when
        try:
            for reporter in reporters:
                reporter.finish()
        except BaseException:
            path = self.run_dir.path
            self.progress.note(f"{path}: not reported yet; go on with --resume, or with: ttf report {path}")
            self._update(finished=None)
            raise

    def _load_data(self) -> Data:
        before = self.record.get("data", {}).get("sha256")
        data = load_data(self.recipe, self.progress)
        provenance, layout = data.source.provenance, data.rows.layout
        if self.saved is not None and before != provenance.sha256:
            message = f"data set {provenance.id!r} has changed since {self.run_dir.path} began; it cannot be resumed"
            raise DataError(message)
        self._update(
            data={
                **asdict(provenance),
                **statistics(data.source.episodes()),
                "best_fraction": self.recipe.data.best_fraction,
            },
            layout={"observation": layout.observation, "action": layout.action, "names": layout.names},
            source=describe(data),
        )
        return data

    def _fit(self, config: DiscretizerConfig, data: Data) -> Discretizer:
        discretizer = config.build(data.rows.layout)
        discretizer.fit(torch.from_numpy(data.rows.values))
        held_out = data.held_out if len(data.held_out.values) else None
        columns = reconstruction(discretizer, data.rows, held_out)
        self.run_dir.write("discretizer", {"kind": config.kind, "bins": config.bins, "columns": columns})
        return discretizer

    def _windows(self, rows: Rows, discretizer: Discretizer, context: int, name: str) -> Windows:
        """Training windows of rows, tokenised on disk."""
        tokens = tokenise(rows, discretizer, self.run_dir.tokens / f"{name}.npy")
        goals = encode_goal(discretizer, torch.from_numpy(rows.goals)).numpy()
        stride = self.recipe.data.stride
        return Windows(tokens, rows, stop=discretizer.stop, context=context, stride=stride, goals=goals)

    def _train(
        self,
        config: ModelConfig,
        training: TrainingConfig,
        data: Data,
        discretizer: Discretizer,
        reporters: list[Reporter],
    ) -> SequenceModel:
        tell, folder, context = partial(_tell, reporters), self.run_dir.checkpoints, config.context
        windows = self._windows(data.rows, discretizer, context, "training")
        held_out = (
            self._windows(data.held_out, discretizer, context, "validation") if len(data.held_out.values) else None
        )
        discretizer.to(self.device)
        if training.precision == "bfloat16" and not has_bfloat16(self.device):
            self.progress.note(f"{self.device.type}: bfloat16 would have to be emulated; training in float32")
        trainer = make_trainer(
            self.recipe, config, training, discretizer, windows, held_out, folder=folder, report=tell
        )
        parameters = sum(p.numel() for p in trainer.model.parameters())
        self._update(model={"kind": config.kind, "parameters": parameters})
        parts = model_parts(self.recipe, data.source.provenance.sha256, self.device.type)
        with self.shared.part("model", parts, folder, tell) as taken:
            if taken:
                self.saved, _ = checkpoint.load_newest(folder)
            if self.saved is not None:
                trainer.restore(self.saved)
                self.saved = None  # its memory is wanted
            with self._timed("training"):
                train(trainer, self.recipe, self.company, self.progress, self.interrupts)
        self._update(stages=self.shared.record, model={**self.record["model"], "tokens": trainer.tokens_seen})
        return trainer.learned

    def _learn(
        self, critic: Critic | None, baselines: Mapping[str, Baseline], data: Data, reporters: list[Reporter]
    ) -> None:
        """Train what learns from single transitions: the critic, then the baselines."""
        tell = partial(_tell, reporters)
        for loop in learning_loops(self.recipe, self.run_dir, data, critic, baselines, tell):
            parts = learner_parts(self.recipe, loop.config, data.source.provenance.sha256, self.device.type)
            with self.shared.part(loop.name, parts, loop.folder, tell), self._timed(f"training {loop.name}"):
                loop.run(self.progress, self.interrupts)
            self._update(stages=self.shared.record)

    def _evaluate(
        self,
        config: EvaluationConfig,
        policies: Mapping[str, Policy],
        environment: Environment,
        reporters: list[Reporter],
    ) -> None:
        write_lines(self.run_dir.episodes, [])  # a resumed evaluation starts afresh
        lines: list[dict[str, Any]] = []
        arrays: dict[str, NDArray[np.float32]] = {}
        for name, policy in policies.items():
            seed = self.recipe.seed if config.seed is None else config.seed
            records = evaluate(policy, environment, config, seed=seed, name=name, progress=self.progress)
            for record in records:
                line = record.as_json(name, environment.reports_success)
                lines.append(line)
                for reporter in reporters:
                    reporter.episode(line)
                arrays |= record.arrays(name)
        save_trajectories(self.run_dir, arrays)
        floor_plan = environment.floor_plan()
        if floor_plan is not None:
            self.run_dir.write("floor_plan", asdict(floor_plan))
        self.run_dir.write("result", summarise(self.recipe.name, lines))

    def _newest_checkpoint(self) -> Checkpoint | None:
        """The checkpoint a resumed run goes on from; all metrics are cut back to the steps of the checkpoints."""
        saved, problems = checkpoint.load_newest(self.run_dir.checkpoints)
        step = saved.step if saved else 0
        steps = learned_steps(self.recipe, self.run_dir)
        for problem in problems:
            self.progress.note(f"{problem}; going on from step {step}")
        records = read_lines(self.run_dir.metrics)
        kept = [r for r in records if r["step"] <= (steps.get(r["learner"], 0) if "learner" in r else step)]
        if self.run_dir.metrics.exists():
            write_lines(self.run_dir.metrics, kept)
        return saved

    @contextmanager
    def _timed(self, name: str) -> Iterator[None]:
        """Add the seconds spent within to the run's timings."""
        started = time.perf_counter()
        try:
            yield
        finally:
            timings = self.record.get("timings", {})
            self._update(timings={**timings, name: timings.get(name, 0.0) + time.perf_counter() - started})

    def _update(self, **entries: object) -> None:
        self.record |= entries
        self.run_dir.write("run", self.record)


def _tell(reporters: list[Reporter], record: Mapping[str, Any]) -> None:
    for reporter in reporters:
        reporter.metrics(record)
