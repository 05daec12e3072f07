"""What a component must leave alone: global random numbers, settings of torch and the process, screen and arguments."""

from __future__ import annotations

import io
import os
import signal
from contextlib import contextmanager, redirect_stdout
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from ttf.interrupts import EXIT_CODES
from ttf.testing.requirement import require
from ttf.training_state import own_random_states, random_numbers

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_SIGNALS = tuple(EXIT_CODES)


@contextmanager
def untouched(what: str, *, seed: int = 1, draws: bool = False) -> Iterator[None]:
    """Within, all global generators follow from ``seed``; afterwards everything global is as it was before.

    Who does the same within two of these, of different seeds, finds out whether it depends on global random numbers.

    Args:
        what: is done within, for messages.
        seed: of the global generators.
        draws: whether they may be drawn from, as for fresh weights.

    Raises:
        AssertionError: a global generator or a setting was changed, or something was printed.
    """
    settings, printed = _settings(), io.StringIO()
    try:
        with own_random_states(seed, torch.device("cpu")):
            generators = _generators()
            with redirect_stdout(printed):
                yield
            for name, state in _generators().items():
                require(
                    draws or state == generators[name],
                    f"{what} draws from {name}; draw from the generator or the seed that it is given",
                )
        for name, value in _settings().items():
            before = settings[name]
            require(value == before, f"{what} changed {name} from {before} to {value}; leave it as it was")
    finally:
        _restore(settings)
    text = printed.getvalue()
    require(not text, f"{what} prints {text[:40]!r}; tell progress what the user should see, or raise an error")


def _generators() -> dict[str, object]:
    """The states of all global generators, by what they are called."""
    numbers = random_numbers()
    return {
        "torch's global generator": torch.get_rng_state().tolist(),
        "numpy's global generator": numbers["numpy"],
        "Python's global generator": numbers["python"],
    }


def _settings() -> dict[str, object]:
    """Settings of the process by name; no environment variables, which libraries set when they are first imported."""
    return {
        "torch's default dtype": torch.get_default_dtype(),
        "torch's number of threads": torch.get_num_threads(),
        "torch's gradient mode": torch.is_grad_enabled(),
        "the working directory": Path.cwd(),
        **{f"the handler of {number.name}": signal.getsignal(number) for number in _SIGNALS},
    }


def _restore(settings: Mapping[str, object]) -> None:
    """Put everything back, so that one broken component spoils no other test."""
    dtype, threads = settings["torch's default dtype"], settings["torch's number of threads"]
    if isinstance(dtype, torch.dtype):
        torch.set_default_dtype(dtype)
    if isinstance(threads, int) and threads != torch.get_num_threads():
        torch.set_num_threads(threads)
    torch.set_grad_enabled(bool(settings["torch's gradient mode"]))
    os.chdir(str(settings["the working directory"]))
    for number in _SIGNALS:
        before: Any = settings[f"the handler of {number.name}"]
        if signal.getsignal(number) != before and before is not None:
            signal.signal(number, before)


def tensors_of(module: torch.nn.Module) -> dict[str, Tensor]:
    """Copies of everything that a module saves, by name.

    Raises:
        AssertionError: something of it is no tensor, or a tensor is not saved at all.
    """
    name = type(module).__name__
    for part in module.modules():
        for attribute, value in vars(part).items():
            require(
                not isinstance(value, Tensor),
                f"{name}: the tensor {attribute!r} is no buffer, so that it is neither saved nor moved; "
                "use register_buffer",
            )
    saved = module.state_dict()
    for key, value in saved.items():
        require(isinstance(value, Tensor), f"{name}: {key!r} of the state_dict is no tensor; checkpoints hold tensors")
    return {key: value.clone() for key, value in saved.items()}


def check_unchanged(what: str, found: Mapping[str, Tensor], before: Mapping[str, Tensor], then: str) -> None:
    """Check that tensors by name are what they were: ``what`` is the culprit, ``then`` what to do instead."""
    for name, tensor in before.items():
        same = name in found and torch.equal(found[name].nan_to_num(), tensor.nan_to_num())
        require(same, f"{what} changed {name}; {then}")
