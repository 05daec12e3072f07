"""The training loop: AdamW on windows of tokens, validated, checkpointed, resumable to the bit."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn

from ttf import checkpoint
from ttf.checkpoint import Checkpoint
from ttf.device import autocast, wants_compile
from ttf.errors import CheckpointError, DivergedError
from ttf.loss import TokenLoss
from ttf.schedule import make_schedule
from ttf.training_state import (
    flat_optimizer_state,
    load_optimizer_state,
    random_numbers,
    random_tensors,
    restore_random_states,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from numpy.typing import NDArray

    from ttf.episodes import Batch, Windows
    from ttf.interfaces.discretizer import Discretizer
    from ttf.interfaces.model import SequenceModel
    from ttf.interfaces.progress import Progress, Task
    from ttf.interrupts import Interrupts
    from ttf.sections import TrainingConfig

VALIDATION_WINDOWS = 2048
"""Held-out windows of a validation, evenly spaced and always the same."""


class Sampler:
    """Windows in a new random order every epoch; where it stands is two numbers."""

    def __init__(self, windows: int, batch: int, seed: int) -> None:
        self._windows, self._batch, self._seed = windows, min(batch, windows), seed
        self._epoch, self._offset = 0, 0
        self._order = self._permutation()

    def next(self) -> NDArray[np.int64]:
        """Indices (B,) of the next batch; what is left of an epoch and too short for one is dropped."""
        if self._offset + self._batch > self._windows:
            self.seek(self._epoch + 1, 0)
        indices = self._order[self._offset : self._offset + self._batch]
        self._offset += self._batch
        return indices

    @property
    def position(self) -> tuple[int, int]:
        """Epoch and offset within it."""
        return self._epoch, self._offset

    def seek(self, epoch: int, offset: int) -> None:
        """Go on from a position."""
        self._epoch, self._offset = epoch, offset
        self._order = self._permutation()

    def _permutation(self) -> NDArray[np.int64]:
        return np.random.default_rng([self._seed, self._epoch]).permutation(self._windows)


@dataclass
class _Meter:
    """Sums since the last training record."""

    loss: Tensor
    norm: Tensor
    updates: int = 0
    tokens: int = 0
    started: float = 0.0

    def sums(self) -> list[float]:
        """For a checkpoint."""
        return [float(self.loss), float(self.norm), self.updates, self.tokens]

    def restore(self, sums: list[float]) -> None:
        """Go on from a checkpoint."""
        self.loss, self.norm = torch.full_like(self.loss, sums[0]), torch.full_like(self.norm, sums[1])
        self.updates, self.tokens = int(sums[2]), int(sums[3])


class Trainer:
    """Trains a sequence model on windows of tokens.

    Args:
        model: on its device, with fresh or trained weights.
        discretizer: fitted, on the same device.
        windows: training windows.
        held_out: windows of held-out episodes; None for no validation.
        config: the recipe's training section.
        seed: of the order of the windows and of dropout.
        folder: where checkpoints go.
        recipe_hash: identifies the recipe in checkpoints.
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
    ) -> None:
        self.model, self.discretizer, self.config = model, discretizer, config
        self.windows, self.held_out = windows, held_out
        self.folder, self.recipe_hash, self.report = folder, recipe_hash, report
        self.device = discretizer.live.device
        self.step, self.tokens_seen, self.seconds = 0, 0, 0.0
        self._seed = seed
        self._loss = TokenLoss(discretizer, config, model.block)
        self._schedule = make_schedule(config, len(windows), model.block)
        self._optimizer = _optimizer(model, config, self.device)
        self._sampler = Sampler(len(windows), config.batch_size, seed)
        compiled = wants_compile(config.compile, self.device)
        self._forward: Callable[[Tensor], Tensor] = torch.compile(model) if compiled else model
        self._meter = self._fresh_meter()
        self._saved: Checkpoint | None = None

    def run(self, progress: Progress, interrupts: Interrupts) -> None:
        """Train from where it stands to the recipe's number of steps.

        Raises:
            DivergedError: a loss or a gradient is not finite; the last checkpoint is from before.
            Interrupted: a signal arrived; a checkpoint of this very step is saved.
        """
        devices = [self.device] if self.device.type == "cuda" else []
        with torch.random.fork_rng(devices), interrupts.deferred():
            if self._saved is None:
                torch.manual_seed(self._seed)
            else:
                restore_random_states(self._saved.tensors["random"], self._saved.state["random"], self.device)
            self.model.train()
            self._meter.started = time.perf_counter()
            with progress.task("training", self.config.steps, done=self.step, unit="steps") as task:
                while self.step < self.config.steps and not interrupts.pending:
                    self._update()
                    self._after_update(task)
            if interrupts.pending and self.step > 0:
                self.save()
        self.model.eval()

    def save(self) -> None:
        """Write a checkpoint of this step.

        Raises:
            DivergedError: something since the last record is not finite.
        """
        self._check_finite()
        tensors = {
            "model": self.model.state_dict(),
            "discretizer": self.discretizer.state_dict(),
            "optimizer": flat_optimizer_state(self._optimizer),
            "random": random_tensors(self.device),
        }
        state = {
            "step": self.step,
            "tokens_seen": self.tokens_seen,
            "seconds": self.seconds,
            "sampler": list(self._sampler.position),
            "random": random_numbers(),
            "meter": self._meter.sums(),
        }
        checkpoint.save(self.folder, Checkpoint(self.step, tensors, state), recipe_hash=self.recipe_hash)

    def restore(self, saved: Checkpoint) -> None:
        """Stand where a checkpoint was saved.

        Raises:
            CheckpointError: it was made for another model.
        """
        try:
            self.model.load_state_dict(saved.tensors["model"])
            load_optimizer_state(self._optimizer, saved.tensors["optimizer"])
        except (RuntimeError, KeyError) as error:
            message = f"the checkpoint of step {saved.step} does not fit this recipe's model: {error}"
            raise CheckpointError(message) from error
        self.step, self.tokens_seen = saved.state["step"], saved.state["tokens_seen"]
        self.seconds = saved.state["seconds"]
        self._sampler.seek(*saved.state["sampler"])
        self._meter.restore(saved.state["meter"])
        self._saved = saved

    def _update(self) -> None:
        batch = self.windows.batch(self._sampler.next())
        seen = int((batch.targets != self.discretizer.stop).sum())
        batch = batch.to(self.device)
        self._set_rate(self._schedule.update_rate(self.tokens_seen, seen))
        with autocast(self.config.precision, self.device):
            loss = self._loss(self._forward(batch.inputs), batch)
        self._optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]  # torch leaves it untyped
        norm = nn.utils.clip_grad_norm_(self.model.parameters(), self.config.gradient_clip)
        self._optimizer.step()
        self.step, self.tokens_seen = self.step + 1, self.tokens_seen + seen
        self._measure(loss.detach(), norm, batch)

    def _after_update(self, task: Task) -> None:
        config, last = self.config, self.step == self.config.steps
        figures = {}
        if last or self.step % config.log_every == 0:
            figures = self._record()
        if self.held_out is not None and (last or self.step % config.validate_every == 0):
            record = self.validate()
            self.report(record)
            figures["validation"] = record["loss"]
        if last or self.step % config.checkpoint_every == 0:
            self.save()
        task.advance(1, **figures)

    @torch.no_grad()
    def validate(self) -> dict[str, Any]:
        """The loss on held-out windows, weighted as in training, and unweighted per part of the transition."""
        windows = self.held_out
        assert windows is not None  # noqa: S101  (the caller checks)
        self.model.eval()
        count = min(VALIDATION_WINDOWS, len(windows))
        indices = np.linspace(0, len(windows) - 1, count).astype(np.int64)
        pieces = np.array_split(indices, math.ceil(count / self.config.batch_size))
        total, sums = 0.0, torch.zeros(2, self.model.layout.width)
        for piece in pieces:
            batch = windows.batch(piece).to(self.device)
            with autocast(self.config.precision, self.device):
                logits = self.model(batch.inputs)
            total += float(self._loss(logits, batch)) * len(piece)
            sums += self._loss.sums(logits, batch).cpu()
        self.model.train()
        return {"kind": "validation", "step": self.step, "loss": total / count, **self._by_part(sums)}

    def _by_part(self, sums: Tensor) -> dict[str, float]:
        """Mean loss of each part from sums (2, D) of losses and counts; parts without targets are left out."""
        means = {f"loss_{part}": sums[:, columns].sum(1) for part, columns in self._loss.parts.items()}
        return {name: float(loss / count) for name, (loss, count) in means.items() if count > 0}

    def _record(self) -> dict[str, float]:
        """Report the means since the last record."""
        self._check_finite()
        meter, seconds = self._meter, time.perf_counter() - self._meter.started
        self.seconds += seconds
        figures = {"loss": float(meter.loss) / meter.updates}
        self.report(
            {
                "kind": "train",
                "step": self.step,
                **figures,
                "learning_rate": self._optimizer.param_groups[0]["lr"],
                "gradient_norm": float(meter.norm) / meter.updates,
                "tokens_per_second": meter.tokens / seconds,
                "seconds": self.seconds,
            }
        )
        self._meter = self._fresh_meter()
        return figures

    def _measure(self, loss: Tensor, norm: Tensor, batch: Batch) -> None:
        meter = self._meter
        meter.loss, meter.norm = meter.loss + loss, meter.norm + norm
        meter.updates, meter.tokens = meter.updates + 1, meter.tokens + batch.inputs.numel()

    def _fresh_meter(self) -> _Meter:
        zero = torch.zeros((), device=self.device)
        return _Meter(zero, zero, started=time.perf_counter())

    def _check_finite(self) -> None:
        for name, value in (("loss", self._meter.loss), ("gradient norm", self._meter.norm)):
            if not math.isfinite(float(value)):
                message = (
                    f"training diverged: the {name} is {float(value)} within the last {self._meter.updates} updates "
                    f"before step {self.step}; try a smaller training.learning_rate"
                )
                raise DivergedError(message)

    def _set_rate(self, rate: float) -> None:
        for group in self._optimizer.param_groups:
            group["lr"] = rate


def _optimizer(model: SequenceModel, config: TrainingConfig, device: torch.device) -> torch.optim.AdamW:
    """AdamW with weight decay on the model's decayed parameters only."""
    decayed = list(model.decayed_parameters())
    chosen = {id(parameter) for parameter in decayed}
    others = [parameter for parameter in model.parameters() if id(parameter) not in chosen]
    groups = [{"params": decayed, "weight_decay": config.weight_decay}, {"params": others, "weight_decay": 0.0}]
    fused = device.type == "cuda"
    return torch.optim.AdamW(groups, lr=config.learning_rate, betas=(0.9, 0.95), fused=fused)
