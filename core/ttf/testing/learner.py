"""What is checked of everything that learns from single transitions: critics, and baselines that are trained."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

import torch

from ttf.interfaces.learner import Learner
from ttf.testing.requirement import require
from ttf.testing.untouched import check_unchanged, tensors_of, untouched
from ttf.training_state import flat_optimizer_state, load_optimizer_state, same_tensors

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from torch import Tensor

    from ttf.interfaces.learner import Transitions

L = TypeVar("L", bound=Learner)

UPDATES, RESUMED_AFTER, BATCH = 6, 3, 16


def check_learner(make: Callable[[], L], transitions: Transitions) -> L:
    """Check everything the contract says of a learner; returns it trained a little, as a run leaves it.

    Args:
        make: makes it with fresh weights.
        transitions: of the training episodes.

    Raises:
        AssertionError: the contract is broken; the message says how.
    """
    learner, again = _made(make), _made(make, others=1)
    require(
        same_tensors(tensors_of(learner), tensors_of(again)),
        "equal states of torch's global generator give other weights; draw fresh weights from that generator only",
    )
    _prepare(learner, transitions)
    _prepare(again, transitions)
    _check_optimizers(learner)
    _train(learner, transitions, 0, RESUMED_AFTER)
    saved = tensors_of(learner)
    optimizers = {name: _copied(optimizer) for name, optimizer in learner.optimizers().items()}
    _train(learner, transitions, RESUMED_AFTER, UPDATES)
    _train(again, transitions, 0, UPDATES)
    require(
        same_tensors(tensors_of(learner), tensors_of(again)),
        "equal batches and random numbers give other weights; learn only from what prepare and update are given",
    )
    resumed = _made(make, others=2)
    resumed.load_state_dict(saved)
    for name, optimizer in resumed.optimizers().items():
        load_optimizer_state(optimizer, optimizers[name])
    _train(resumed, transitions, RESUMED_AFTER, UPDATES)
    require(
        same_tensors(tensors_of(learner), tensors_of(resumed)),
        "resumed from its state_dict and its optimizers', it learns something else; keep what prepare and update learn "
        "in buffers, parameters or get_extra_state",
    )
    return learner.eval().requires_grad_(requires_grad=False)


def _made(make: Callable[[], L], others: int = 1) -> L:
    with untouched("making the learner", seed=others, draws=True):
        return make()


def _copied(optimizer: torch.optim.Optimizer) -> dict[str, Tensor]:
    return {name: tensor.clone() for name, tensor in flat_optimizer_state(optimizer).items()}


def _prepare(learner: Learner, transitions: Transitions) -> None:
    """Prepare, without a change of the transitions."""
    before = _copies(transitions)
    with untouched("prepare", draws=True):
        learner.prepare(transitions)
    check_unchanged("prepare", _tensors(transitions), before, "clone what you modify")
    learner.train()


def _check_optimizers(learner: Learner) -> None:
    """They are always the same ones, and only for the learner's own parameters."""
    optimizers, own = learner.optimizers(), {id(parameter) for parameter in learner.parameters()}
    for name, optimizer in learner.optimizers().items():
        require(optimizer is optimizers[name], f"optimizers returned another {name!r} when called again; keep it")
        held = {id(parameter) for group in optimizer.param_groups for parameter in group["params"]}
        require(held <= own, f"optimizer {name!r} has parameters that are not the learner's own")


def _train(learner: Learner, transitions: Transitions, first: int, last: int) -> None:
    """Updates ``first`` up to ``last``; each sees its own transitions and random numbers."""
    for step in range(first, last):
        batch = transitions.select((torch.arange(BATCH) * 7 + 5 * step) % len(transitions.rewards))
        before, weights = _copies(batch), tensors_of(learner)
        with untouched("update", seed=step, draws=True):
            losses = learner.update(batch)
        check_unchanged("update", _tensors(batch), before, "clone what you modify")
        _check_losses(losses)
        require(not same_tensors(weights, tensors_of(learner)), "update changed no weight; step every optimizer")


def _check_losses(losses: Mapping[str, object]) -> None:
    require(len(losses) > 0, "update returned no losses; return scalars by name, to be recorded")
    for name, loss in losses.items():
        require(
            isinstance(loss, torch.Tensor) and loss.shape == (),
            f"update returned {loss!r} as {name!r}; expected a tensor without dimensions",
        )
        require(torch.isfinite(torch.as_tensor(loss)), f"update returned {name!r} = {loss}; expected a finite number")


def _copies(transitions: Transitions) -> dict[str, Tensor]:
    return {name: tensor.clone() for name, tensor in _tensors(transitions).items()}


def _tensors(transitions: Transitions) -> dict[str, Tensor]:
    tensors = transitions._asdict()
    later = tensors.pop("later")
    return tensors | ({f"later.{name}": tensor for name, tensor in later._asdict().items()} if later else {})
