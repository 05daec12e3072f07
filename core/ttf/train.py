"""The training loop: AdamW on windows of tokens, validated, checkpointed, resumable to the bit."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn

from ttf import checkpoint
from ttf.checkpoint import Checkpoint
from ttf.compiled import Forward
from ttf.device import autocast, wanted
from ttf.distributed import World
from ttf.errors import CheckpointError
from ttf.loss import TokenLoss
from ttf.mean_weights import MeanWeights
from ttf.meter import Meter, diverged
from ttf.sampler import Sampler
from ttf.schedule import make_schedule
from ttf.seeds import stream
from ttf.training_state import (
    flat_optimizer_state,
    load_optimizer_state,
    own_random_states,
    random_numbers,
    random_tensors,
    restore_random_states,
    same_tensors,
    seed_generators,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from ttf.episodes import Batch, Windows
    from ttf.interfaces.discretizer import Discretizer
    from ttf.interfaces.model import SequenceModel
    from ttf.interfaces.progress import Progress, Task
    from ttf.interrupts import Interrupts
    from ttf.sections import TrainingConfig

VALIDATION_WINDOWS = 2048
"""Held-out windows of a validation, evenly spaced and always the same."""

FUSED = ("cuda", "cpu")
"""Devices on which the whole update of a weight is one pass over memory."""


class Trainer:
    """Trains a sequence model on windows of tokens.

    Args:
        model: on its device, with fresh or trained weights.
        discretizer: fitted, on the same device.
        windows: training windows.
        held_out: windows of held-out episodes; None for no validation.
        config: the recipe's training section.
        seed: of the order of the windows, of dropout and of torch's, numpy's and Python's global generators.
        folder: where checkpoints go.
        recipe_hash: identifies the recipe in checkpoints.
        goal_dropout: share of the windows whose goal is hidden.
        report: takes every training and validation record.
    """

    def __init__(
        self,
        model: SequenceModel,
        discretizer: Discretizer,
        windows: Windows,
        held_out: Windows | None,
        config: TrainingConfig,
        *,
        seed: int,
        folder: Path,
        recipe_hash: str,
        report: Callable[[Mapping[str, Any]], None],
        goal_dropout: float = 0.0,
    ) -> None:
        self.model, self.discretizer, self.config = model, discretizer, config
        self.windows, self.held_out = windows, held_out
        self.folder, self.recipe_hash, self.report = folder, recipe_hash, report
        self.device = discretizer.live.device
        self.step, self.tokens_seen, self.seconds = 0, 0, 0.0
        self._seed, self._goal_dropout = seed, goal_dropout
        self._loss = TokenLoss(discretizer, config, model.block)
        self._schedule = make_schedule(config, len(windows), model.block)
        self._optimizer = _optimizer(model, config, self.device)
        self._sampler = Sampler(len(windows), config.batch_size, seed)
        compiled = wanted(config.compile, self.device)
        self._mean = MeanWeights(model, config.ema_decay) if config.ema_decay else None
        self._forward = Forward(model, compiled=compiled, places=self._loss.places)
        self._meter = Meter(self.device)
        self._world = World()
        self._saved_step = 0
        self._random: tuple[Mapping[str, Tensor], Mapping[str, Any]] | None = None  # of the checkpoint restored

    @property
    def learned(self) -> SequenceModel:
        """What is validated and planned with: the model, or where the recipe says so the mean of its weights."""
        return self._mean.model if self._mean is not None else self.model

    def run(self, progress: Progress, interrupts: Interrupts, world: World | None = None) -> None:
        """Train from where it stands to the recipe's number of steps.

        Where there is a ``world``, all its processes train at once, each on its share of every batch, and end with the
        same weights; the first one saves.

        Raises:
            DivergedError: a loss or a gradient is not finite; the last checkpoint is from before.
            Interrupted: a signal arrived; a checkpoint of this very step is saved.
            LostProcessError: another process has ended.
        """
        self._world = world or World()
        with own_random_states(self._seed, self.device), interrupts.deferred():
            if self._random is not None:
                restore_random_states(*self._random, self.device)
            self.model.train()
            self._forward.note = progress.note
            with progress.task("training", self.config.steps, done=self.step, unit="steps") as task:
                while self.step < self.config.steps and not self._stops(interrupts):
                    self.update()
                    self._after_update(task)
            if interrupts.pending and self.step != self._saved_step:
                self.save()
        self.learned.eval()

    def _stops(self, interrupts: Interrupts) -> bool:
        """Whether a signal waits in any of the processes; then it waits in all of them."""
        interrupts.remember(self._world.largest(interrupts.code))
        return interrupts.pending

    def save(self) -> None:
        """Write a checkpoint of this step.

        Raises:
            DivergedError: a weight, or a loss or gradient since the last record, is not finite.
        """
        self._meter.check_finite(self.step)
        if not all(bool(parameter.isfinite().all()) for parameter in self.model.parameters()):
            what = f"a weight is not finite after step {self.step}"
            raise diverged(what)
        if self._world.is_first:
            checkpoint.save(self.folder, self.state(), recipe_hash=self.recipe_hash)
        self._world.wait()
        self._saved_step = self.step

    def state(self) -> Checkpoint:
        """All that another trainer of the same recipe needs to go on from here."""
        tensors = {
            "model": self.learned.state_dict(),
            "discretizer": self.discretizer.state_dict(),
            "optimizer": flat_optimizer_state(self._optimizer),
            "random": random_tensors(self.device),
        }
        if self._mean is not None:
            tensors["trained"] = self.model.state_dict()
        state = {
            "step": self.step,
            "tokens_seen": self.tokens_seen,
            "seconds": self.seconds,
            "sampler": list(self._sampler.position),
            "random": random_numbers(),
            "meter": self._meter.sums(),
        }
        return Checkpoint(self.step, tensors, state)

    def restore(self, saved: Checkpoint) -> None:
        """Stand where a checkpoint was saved.

        Raises:
            CheckpointError: it was made for another model or from other data.
        """
        try:
            if not same_tensors(saved.tensors["discretizer"], self.discretizer.state_dict()):
                message = f"the checkpoint of step {saved.step} has other bins: the data or the discretizer has changed"
                raise CheckpointError(message)
            self._restore(saved)
        except (RuntimeError, LookupError, TypeError, ValueError) as error:
            message = f"the checkpoint of step {saved.step} does not fit this recipe's model: {error}"
            raise CheckpointError(message) from error

    def _restore(self, saved: Checkpoint) -> None:
        self.learned.load_state_dict(saved.tensors["model"])
        if self._mean is not None:
            self.model.load_state_dict(saved.tensors["trained"])
        load_optimizer_state(self._optimizer, saved.tensors["optimizer"])
        self.step = self._saved_step = int(saved.state["step"])
        self.tokens_seen, self.seconds = saved.state["tokens_seen"], saved.state["seconds"]
        self._sampler.seek(*saved.state["sampler"])
        self._meter.restore(saved.state["meter"])
        self._random = saved.tensors["random"], saved.state["random"]
        with own_random_states(self._seed, self.device):
            restore_random_states(*self._random, self.device)  # what does not work is refused here

    def update(self) -> None:
        """One update of the weights; training goes through :meth:`run`."""
        world, indices = self._world, self._sampler.next()
        if not world.is_first:  # dropout of its own, which follows from the step: no checkpoint has to say it
            seed_generators(stream(self._seed, f"update {self.step} of process {world.rank}"))
        share = world.share(len(indices))
        batch = self.windows.batch(indices[share])
        seen = int(world.total(int((batch.targets != self.discretizer.stop).sum())))
        batch = self._hiding_goals(batch, share, len(indices)).to(self.device)
        rate = self._schedule.update_rate(self.tokens_seen, seen)
        for group in self._optimizer.param_groups:
            group["lr"] = rate
        with autocast(self.config.precision, self.device):
            loss = self._loss(self._forward(batch.inputs, batch.goal), batch, self._loss.places)
        loss = loss * (len(batch.inputs) / len(indices))  # so that the sum is the mean over the whole batch
        self._optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]  # torch leaves it untyped
        loss = world.add_gradients(self.model.parameters(), loss.detach())
        norm = nn.utils.clip_grad_norm_(self.model.parameters(), self.config.gradient_clip)
        self._optimizer.step()
        self.step, self.tokens_seen = self.step + 1, self.tokens_seen + seen
        if self._mean is not None:
            self._mean.update(self.model, self.step)
        self._meter.add(loss, norm, len(indices) * batch.inputs.shape[1])

    def _hiding_goals(self, batch: Batch, share: slice, count: int) -> Batch:
        """A share of a batch of ``count`` windows with some goals unknown; which ones is drawn for the whole batch."""
        if self._goal_dropout == 0:
            return batch
        hidden = self._world.first(torch.rand(count, 1))[share] < self._goal_dropout
        return batch._replace(goal=batch.goal.masked_fill(hidden, self.discretizer.stop))

    def _after_update(self, task: Task) -> None:
        config, last = self.config, self.step == self.config.steps
        figures = {}
        if last or self.step % config.log_every == 0:
            figures = self._record()
        if self.held_out is not None and (last or self.step % config.validate_every == 0):
            with self._meter.paused():
                record = self.validate()
            self.report(record)
            figures["validation"] = record["loss"]
        if last or self.step % config.checkpoint_every == 0:
            with self._meter.paused():
                self.save()
        task.advance(1, **figures)

    @torch.no_grad()
    def validate(self) -> dict[str, Any]:
        """The loss on held-out windows, weighted as in training, and unweighted per part of the transition.

        Raises:
            DivergedError: it is not finite, or something before it was not.
        """
        self._meter.check_finite(self.step)
        windows = self.held_out
        assert windows is not None  # noqa: S101  (the caller checks)
        self.learned.eval()
        count = min(VALIDATION_WINDOWS, len(windows))
        indices = np.linspace(0, len(windows) - 1, count).astype(np.int64)
        pieces = np.array_split(indices, math.ceil(count / self.config.batch_size))
        total, sums = 0.0, torch.zeros(2, self.model.layout.width)
        for piece in pieces:
            share = piece[self._world.share(len(piece))]
            if len(share) == 0:
                continue
            batch = windows.batch(share).to(self.device)
            with autocast(self.config.precision, self.device):
                logits = self.learned(batch.inputs, batch.goal)
            total += float(self._loss(logits, batch)) * len(share)
            sums += self._loss.sums(logits, batch).cpu()
        self.model.train()
        total, sums = self._world.total(total), self._world.sum(sums)
        if not math.isfinite(total):
            what = f"the validation loss is {total / count} at step {self.step}"
            raise diverged(what)
        return {"kind": "validation", "step": self.step, "loss": total / count, **self._by_part(sums)}

    def _by_part(self, sums: Tensor) -> dict[str, float]:
        """Mean loss of each part from sums (2, D) of losses and counts; parts without targets are left out."""
        means = {f"loss_{part}": sums[:, columns].sum(1) for part, columns in self._loss.parts.items()}
        return {name: float(loss / count) for name, (loss, count) in means.items() if count > 0}

    def _record(self) -> dict[str, float]:
        """Report the means since the last record; those to show beside the bar."""
        self._meter.check_finite(self.step)
        figures = self._meter.figures()
        self.seconds += self._meter.seconds
        rate = self._optimizer.param_groups[0]["lr"]
        self.report({"kind": "train", "step": self.step, "learning_rate": rate, **figures, "seconds": self.seconds})
        self._meter = Meter(self.device)
        return {"loss": figures["loss"]}


def _optimizer(model: SequenceModel, config: TrainingConfig, device: torch.device) -> torch.optim.AdamW:
    """AdamW with weight decay on the model's decayed parameters only."""
    decayed = list(model.decayed_parameters())
    chosen = {id(parameter) for parameter in decayed}
    others = [parameter for parameter in model.parameters() if id(parameter) not in chosen]
    groups = [{"params": decayed, "weight_decay": config.weight_decay}, {"params": others, "weight_decay": 0.0}]
    return torch.optim.AdamW(groups, lr=config.learning_rate, betas=(0.9, 0.95), fused=device.type in FUSED)
