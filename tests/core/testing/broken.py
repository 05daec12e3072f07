"""Ways to break a component, for the tests of the checkers."""

from __future__ import annotations

import os
import random
import signal
import sys
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
import pytest
import torch

if TYPE_CHECKING:
    from collections.abc import Callable

    from ttf.component import Component

C = TypeVar("C", bound="Component")

#: What a component must not do on the side, and what a checker says of it.
MEDDLING: dict[str, tuple[Callable[[], object], str]] = {
    "torch": (lambda: torch.rand(1), "draws from torch's global generator; draw from the generator or the seed"),
    "numpy": (np.random.rand, "draws from numpy's global generator; draw from the generator or the seed"),
    "python": (random.random, "draws from Python's global generator; draw from the generator or the seed"),
    "dtype": (lambda: torch.set_default_dtype(torch.float64), "changed torch's default dtype from torch.float32 to "),
    "threads": (lambda: torch.set_num_threads(torch.get_num_threads() + 1), "changed torch's number of threads from "),
    "gradients": (lambda: torch.set_grad_enabled(False), "changed torch's gradient mode from True to False; leave it"),
    "folder": (lambda: os.chdir("/"), "changed the working directory from "),
    "signal": (lambda: signal.signal(signal.SIGTERM, signal.SIG_IGN), "changed the handler of SIGTERM from "),
    "printing": (lambda: sys.stdout.write("done"), "prints 'done"),
}

every_meddling = pytest.mark.parametrize("meddling", MEDDLING)


def spoiled(config: C, spoil: Callable[[Any], Any]) -> C:
    """The configuration, but with what it builds replaced by what ``spoil`` makes of it, or changed if that is None."""
    kind: Any = type(config)  # a base class that is known at run time only

    class Spoiled(kind):  # type: ignore[misc]
        def build(self, *args: Any, **kwargs: Any) -> Any:  # noqa: ANN401  (as every slot has it)
            built = super().build(*args, **kwargs)
            changed = spoil(built)
            return built if changed is None else changed

    made: C = Spoiled(**config.model_dump())
    return made


def replacing(name: str, replacement: Callable[..., Any]) -> Callable[[Any], None]:
    """A way to spoil: a method becomes ``replacement(method, *arguments)``."""

    def spoil(built: Any) -> None:  # noqa: ANN401  (of any slot)
        method = getattr(built, name)
        setattr(built, name, lambda *args, **kwargs: replacement(method, *args, **kwargs))

    return spoil


def meddling_in(name: str, meddling: str) -> Callable[[Any], None]:
    """A way to spoil: a method meddles before it does its work."""

    def meddle(method: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:  # noqa: ANN401  (of any slot)
        MEDDLING[meddling][0]()
        return method(*args, **kwargs)

    return replacing(name, meddle)


def complaint(check: Callable[[], object]) -> str:
    """What a checker says of a broken component."""
    with pytest.raises(AssertionError) as caught:
        check()
    return str(caught.value)
