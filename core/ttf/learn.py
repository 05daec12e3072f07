"""The loop that trains critics and cloned policies: batches of transitions, recorded, checkpointed, resumable."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import torch

from ttf import checkpoint
from ttf.checkpoint import Checkpoint
from ttf.component import LearnedBaselineConfig
from ttf.errors import CheckpointError, DivergedError
from ttf.prepare import named_baselines
from ttf.runs import learning_hash
from ttf.sampler import Sampler
from ttf.seeds import stream
from ttf.training_state import (
    flat_optimizer_state,
    load_optimizer_state,
    own_random_states,
    random_numbers,
    random_tensors,
    restore_random_states,
)
from ttf.transitions import make_transitions

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from torch import Tensor

    from ttf.component import LearningFields
    from ttf.interfaces.critic import Critic
    from ttf.interfaces.learner import Learner, Transitions
    from ttf.interfaces.progress import Progress
    from ttf.interrupts import Interrupts
    from ttf.prepare import Baseline, Data
    from ttf.recipe import Recipe
    from ttf.run_dir import RunDir

RECORD_EVERY = 1000
"""Updates between records."""

SAVE_EVERY = 10_000
"""Updates between checkpoints; the last one is always kept."""


def learning_loops(
    recipe: Recipe,
    run: RunDir,
    data: Data,
    critic: Critic | None,
    baselines: Mapping[str, Baseline],
    report: Callable[[Mapping[str, Any]], None],
) -> Iterator[LearningLoop]:
    """A loop for everything of a recipe that learns from single transitions: the critic, then the baselines."""
    made = {f"baseline {name}": baseline.learner for name, baseline in baselines.items()} | {"critic": critic}
    transitions: Transitions | None = None
    for name, config in learners(recipe).items():
        if (learner := made.get(name)) is None:
            continue
        transitions = transitions or make_transitions(data.episodes, recipe.data)
        key = learning_hash(recipe, config)
        yield LearningLoop(
            learner,
            transitions.to(next(learner.parameters()).device),
            config,
            name=name,
            seed=stream(recipe.seed, name),
            folder=run.learned(name, key),
            recipe_hash=key,
            report=report,
        )


def learned_steps(recipe: Recipe, run: RunDir) -> dict[str, int]:
    """How far each learner of a recipe, by name, has come in a run: the update of its newest checkpoint."""
    found = {name: learned_checkpoint(recipe, run, name, config) for name, config in learners(recipe).items()}
    return {name: saved.step if saved else 0 for name, saved in found.items()}


def learned_checkpoint(recipe: Recipe, run: RunDir, name: str, config: LearningFields) -> Checkpoint | None:
    """The newest checkpoint of a learner of a recipe in a run, if there is one."""
    return checkpoint.load_newest(run.learned(name, learning_hash(recipe, config)))[0]


def learners(recipe: Recipe) -> dict[str, LearningFields]:
    """Everything of a recipe that learns from single transitions, by name."""
    critic: dict[str, LearningFields] = {"critic": recipe.critic} if recipe.critic is not None else {}
    named = named_baselines(recipe).items()
    return critic | {f"baseline {name}": config for name, config in named if isinstance(config, LearnedBaselineConfig)}


class LearningLoop:
    """Trains a learner on transitions.

    Args:
        learner: on its device, with fresh weights.
        transitions: of the training episodes, on the same device.
        config: how long, and how many at once.
        name: of the learner, in records and messages: ``critic``, ``baseline bc``.
        seed: of the order of the transitions and of the global generators.
        folder: where checkpoints go.
        recipe_hash: identifies the recipe in checkpoints.
        report: takes every record.
    """

    def __init__(
        self,
        learner: Learner,
        transitions: Transitions,
        config: LearningFields,
        *,
        name: str,
        seed: int,
        folder: Path,
        recipe_hash: str,
        report: Callable[[Mapping[str, Any]], None],
    ) -> None:
        self.learner, self.transitions, self.config, self.name = learner, transitions, config, name
        self.folder, self.recipe_hash, self.report = folder, recipe_hash, report
        self.device = transitions.rewards.device
        self.step = 0
        self._seed = seed
        self._sampler = Sampler(len(transitions.rewards), config.batch_size, seed)
        self._sums: dict[str, Tensor] = {}
        self._random: tuple[Mapping[str, Tensor], Mapping[str, Any]] | None = None

    def run(self, progress: Progress, interrupts: Interrupts) -> None:
        """Train from where the newest checkpoint stands to the configured number of updates.

        Raises:
            CheckpointError: what is there does not fit the learner.
            DivergedError: a loss is not finite; the last checkpoint is from before.
            Interrupted: a signal arrived; a checkpoint of this very update is saved.
        """
        self._restore(progress)
        with own_random_states(self._seed, self.device), interrupts.deferred():
            if self._random is not None:
                restore_random_states(*self._random, self.device)
            elif self.step == 0:
                self.learner.prepare(self.transitions)
            self.learner.train()
            with progress.task(f"training {self.name}", self.config.updates, done=self.step, unit="updates") as task:
                while self.step < self.config.updates and not interrupts.pending:
                    self._update()
                    task.advance(1, **(self._record() if self._due(RECORD_EVERY) else {}))
                    if self._due(SAVE_EVERY):
                        self._save()
            if interrupts.pending and not self._due(SAVE_EVERY):
                self._save()
        self.learner.eval().requires_grad_(requires_grad=False)

    def _due(self, every: int) -> bool:
        return self.step % every == 0 or self.step == self.config.updates

    def _update(self) -> None:
        rows = torch.from_numpy(self._sampler.next()).to(self.device)
        for name, loss in self.learner.update(self.transitions.select(rows)).items():
            self._sums[name] = self._sums.get(name, torch.zeros((), device=self.device)) + loss.detach()
        self.step += 1

    def _record(self) -> dict[str, float]:
        """Report the means since the last record; they are shown beside the bar too."""
        updates = (self.step - 1) % RECORD_EVERY + 1
        figures = {name: float(total) / updates for name, total in self._sums.items()}
        for name, value in figures.items():
            if not math.isfinite(value):
                message = f"training of the {self.name} diverged: its {name} is {value} before update {self.step}"
                raise DivergedError(message)
        self._sums = {}
        self.report({"kind": "learner", "learner": self.name, "step": self.step, **figures})
        return figures

    def _save(self) -> None:
        optimizers = {
            f"optimizer_{name}": flat_optimizer_state(optimizer)
            for name, optimizer in self.learner.optimizers().items()
        }
        tensors = {"learner": self.learner.state_dict(), **optimizers, "sums": self._sums}
        tensors["random"] = random_tensors(self.device)
        state = {"sampler": list(self._sampler.position), "random": random_numbers()}
        checkpoint.save(self.folder, Checkpoint(self.step, tensors, state), recipe_hash=self.recipe_hash)

    def _restore(self, progress: Progress) -> None:
        saved, problems = checkpoint.load_newest(self.folder)
        for problem in problems:
            progress.note(f"{problem}; going on from update {saved.step if saved else 0}")
        if saved is None:
            return
        try:
            self.learner.load_state_dict(saved.tensors["learner"])
            for name, optimizer in self.learner.optimizers().items():
                load_optimizer_state(optimizer, saved.tensors[f"optimizer_{name}"])
            self._sampler.seek(*saved.state["sampler"])
            self._random = saved.tensors["random"], saved.state["random"]
        except (RuntimeError, LookupError, TypeError, ValueError) as error:
            message = f"the checkpoint of update {saved.step} does not fit the {self.name}: {error}"
            raise CheckpointError(message) from error
        self._sums = {name: total.to(self.device) for name, total in saved.tensors["sums"].items()}
        self.step = saved.step
