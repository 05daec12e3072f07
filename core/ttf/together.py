"""One training, by this process alone or by several: what the first hands to the others, and how they follow."""

from __future__ import annotations

import json
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from safetensors.numpy import load as load_arrays
from safetensors.numpy import save as save_arrays
from safetensors.torch import load as load_tensors
from safetensors.torch import save as save_tensors

from ttf.checkpoint import Checkpoint
from ttf.device import resolve_device
from ttf.episodes import Windows
from ttf.errors import DataError, Interrupted, LostProcessError, RecipeError, ResourceError
from ttf.interrupts import handled
from ttf.layout import Layout
from ttf.recipe import dump, parse
from ttf.registry import load_registry
from ttf.runs import training_hash
from ttf.seeds import stream
from ttf.train import Trainer
from ttf.training_state import seeded_weights

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    import torch
    from torch import Tensor

    from ttf.component import ModelConfig
    from ttf.distributed import Company, World
    from ttf.interfaces.discretizer import Discretizer
    from ttf.interfaces.progress import Progress, Task
    from ttf.interrupts import Interrupts
    from ttf.recipe import Recipe
    from ttf.sections import TrainingConfig


def make_trainer(
    recipe: Recipe,
    config: ModelConfig,
    training: TrainingConfig,
    discretizer: Discretizer,
    windows: Windows,
    held_out: Windows | None,
    *,
    folder: Path,
    report: Callable[[Mapping[str, Any]], None],
) -> Trainer:
    """The trainer of a recipe with these sections, with fresh weights; see :class:`ttf.train.Trainer`."""
    with seeded_weights(recipe.seed, "model"):
        model = config.build(discretizer.layout, discretizer.bins)
    return Trainer(
        model.to(discretizer.live.device),
        discretizer,
        windows,
        held_out,
        training,
        seed=stream(recipe.seed, "training"),
        folder=folder,
        recipe_hash=training_hash(recipe),
        report=report,
        goal_dropout=recipe.data.goal.dropout if recipe.data.goal else 0.0,
    )


def first_device(recipe: Recipe, company: Company | None) -> torch.device:
    """Where this process computes: alone, or the first of several that can share what the recipe trains.

    Raises:
        RecipeError: the recipe leaves nothing to share.
        ResourceError: the device is not there.
    """
    device = resolve_device(recipe.device)
    if company is None:
        return device
    processes = f"{company.size} processes"
    if recipe.training is not None and recipe.training.batch_size < company.size:
        message = f"training.batch_size: {recipe.training.batch_size} is too small for {processes} to share"
        raise RecipeError(message)
    if device.index is not None:
        message = f"device: {recipe.device!r} is one device, but there are {processes}; cuda gives each one its own"
        raise RecipeError(message)
    if device.type == "mps":
        message = f"device 'mps' trains in one process only, and there are {processes}; choose cpu"
        raise ResourceError(message)
    return company.device(device.type)


def train(
    trainer: Trainer, recipe: Recipe, company: Company | None, progress: Progress, interrupts: Interrupts
) -> None:
    """Train, together with the others if there are any; what is trained already needs nobody.

    Raises:
        TtfError: as :meth:`ttf.train.Trainer.run`; or another process has ended.
    """
    if company is None or trainer.step >= trainer.config.steps:
        trainer.run(progress, interrupts)
        if company is not None:
            company.dismiss(0)
        return
    if len(trainer.windows) < company.size:
        message = f"the data has only {len(trainer.windows)} windows for {company.size} processes to share"
        raise DataError(message)
    try:
        company.summon(trainer.device)
        with company.joined(trainer.device) as world:
            with interrupts.deferred():
                _hand_over(trainer, recipe, world)
            trainer.run(progress, interrupts, world)
    except (LostProcessError, Interrupted) as error:
        reason = company.failure()
        if reason is None and isinstance(error, Interrupted):
            raise
        interrupts.ignore()
        company.give_up()
        message = reason or "another process of this training has ended; continue with --resume"
        raise ResourceError(message) from error


def follow(company: Company) -> bool:
    """Wait for the first process, and train with it; False if there was nothing to train.

    Raises:
        TtfError: something is wrong with this process, or another one has ended.
        Interrupted: a signal arrived, here or there.
    """
    with handled() as interrupts:
        device = company.summoned()
        if device is None:
            return False
        with company.joined(device) as world:
            _take_over(world, device).run(_Silent(), interrupts, world)
    return True


def _hand_over(trainer: Trainer, recipe: Recipe, world: World) -> None:
    """Tell the others all that a training starts from; they read neither the data nor the run folder."""
    saved, layout = trainer.state(), trainer.discretizer.layout
    facts = {
        "recipe": dump(recipe),
        "layout": [layout.observation, layout.action, layout.goal_columns, layout.subgoal_columns],
        "step": saved.step,
        "state": saved.state,
        "groups": list(saved.tensors),
        "held_out": trainer.held_out is not None,
    }
    copies = {
        f"{group}/{name}": tensor.detach().to("cpu", copy=True).contiguous()  # safetensors refuses shared memory
        for group, tensors in saved.tensors.items()
        for name, tensor in tensors.items()
    }
    world.tell(json.dumps(facts).encode())
    world.tell(save_tensors(copies))
    for windows in (trainer.windows, trainer.held_out):
        if windows is not None:
            world.tell(save_arrays(windows.arrays()))


def _take_over(world: World, device: torch.device) -> Trainer:
    """A trainer that stands where the first process's stands, and writes nothing."""
    facts = json.loads(world.tell())
    tensors: dict[str, dict[str, Tensor]] = {group: {} for group in facts["groups"]}
    for key, tensor in load_tensors(world.tell()).items():
        group, _, name = key.partition("/")
        tensors[group][name] = tensor
    recipe = parse(facts["recipe"], load_registry())
    assert recipe.discretizer is not None  # noqa: S101  (there is a model to train)
    assert recipe.model is not None  # noqa: S101
    assert recipe.training is not None  # noqa: S101
    observation, action, goal, subgoal = facts["layout"]
    discretizer = recipe.discretizer.build(Layout(observation, action, tuple(goal), tuple(subgoal)))
    discretizer.load_state_dict(tensors["discretizer"])
    size = {"context": recipe.model.context, "stride": recipe.data.stride}
    windows = Windows.of(load_arrays(world.tell()), discretizer, **size)
    held_out = Windows.of(load_arrays(world.tell()), discretizer, **size) if facts["held_out"] else None
    trainer = make_trainer(
        recipe,
        recipe.model,
        recipe.training,
        discretizer.to(device),
        windows,
        held_out,
        folder=Path(),
        report=lambda _: None,
    )
    trainer.restore(Checkpoint(facts["step"], tensors, facts["state"]))
    return trainer


class _Silent:
    """Progress, and a task, that nobody sees."""

    @contextmanager
    def task(self, name: str, total: int, *, done: int = 0, unit: str = "") -> Iterator[Task]:  # noqa: ARG002
        yield self

    def advance(self, amount: int = 1, **figures: float) -> None:
        pass

    def note(self, text: str) -> None:
        pass
