"""What a checkpoint holds beside the weights: the optimizer's tensors and the states of random generators."""

from __future__ import annotations

import random
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from ttf.seeds import stream

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from torch import Tensor


def flat_optimizer_state(optimizer: torch.optim.Optimizer) -> dict[str, Tensor]:
    """The optimizer's tensors by ``parameter/name``."""
    state = optimizer.state_dict()["state"]
    return {f"{index}/{name}": tensor for index, tensors in state.items() for name, tensor in tensors.items()}


def load_optimizer_state(optimizer: torch.optim.Optimizer, flat: Mapping[str, Tensor]) -> None:
    """Put tensors by ``parameter/name`` back into an optimizer made for the same parameters."""
    state: dict[int, dict[str, Tensor]] = {}
    for key, tensor in flat.items():
        index, name = key.split("/")
        state.setdefault(int(index), {})[name] = tensor
    optimizer.load_state_dict({"state": state, "param_groups": optimizer.state_dict()["param_groups"]})


def same_tensors(one: Mapping[str, Tensor], other: Mapping[str, Tensor]) -> bool:
    """Whether two groups of tensors are equal, wherever they are."""
    return one.keys() == other.keys() and all(torch.equal(one[name].cpu(), other[name].cpu()) for name in one)


@contextmanager
def seeded_weights(seed: int, part: str) -> Iterator[None]:
    """Within, torch's global generator gives the initial weights of a part of the run that has ``seed``."""
    with torch.random.fork_rng([]):
        torch.manual_seed(stream(seed, part))
        yield


@contextmanager
def own_random_states(seed: int, device: torch.device) -> Iterator[None]:
    """Within, all global generators follow from a seed; afterwards they stand where they stood before."""
    numbers = random_numbers()
    with torch.random.fork_rng([device] if device.type == "cuda" else []):
        seed_generators(seed)
        try:
            yield
        finally:
            _restore_random_numbers(numbers)


def seed_generators(seed: int) -> None:
    """Let the global generators of torch, Python and numpy follow from a seed."""
    torch.manual_seed(seed)
    random.seed(seed)
    np.random.seed(seed % 2**32)


def random_tensors(device: torch.device) -> dict[str, Tensor]:
    """The states of torch's global generators."""
    states = {"torch": torch.get_rng_state()}
    if device.type == "cuda":
        states["cuda"] = torch.cuda.get_rng_state(device)
    return states


def random_numbers() -> dict[str, Any]:
    """The states of Python's and numpy's global generators, which plugins may use, as JSON."""
    version, words, gauss = random.getstate()
    name, keys, position, has_gauss, cached = np.random.get_state(legacy=True)
    return {
        "python": [version, list(words), gauss],
        "numpy": [name, np.asarray(keys).tolist(), position, has_gauss, cached],
    }


def restore_random_states(tensors: Mapping[str, Tensor], numbers: Mapping[str, Any], device: torch.device) -> None:
    """Put all global generators where :func:`random_tensors` and :func:`random_numbers` saw them."""
    torch.set_rng_state(tensors["torch"])
    if device.type == "cuda":
        torch.cuda.set_rng_state(tensors["cuda"], device)
    _restore_random_numbers(numbers)


def _restore_random_numbers(states: Mapping[str, Any]) -> None:
    version, words, gauss = states["python"]
    random.setstate((version, tuple(words), gauss))
    name, keys, position, has_gauss, cached = states["numpy"]
    np.random.set_state((name, np.array(keys, dtype=np.uint32), position, has_gauss, cached))
