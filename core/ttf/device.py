"""Where and how a run computes: device, precision and compilation, from what the recipe asks and the machine has."""

from __future__ import annotations

import contextlib
from contextlib import AbstractContextManager
from typing import Literal

import torch

from ttf.errors import ResourceError


def resolve_device(name: str) -> torch.device:
    """The device of that name; ``auto`` is the first of CUDA, MPS and CPU that is there.

    Raises:
        ResourceError: the device was asked for by name and is not there.
    """
    present = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
    if name == "auto":
        return torch.device(next(kind for kind, there in present.items() if there))
    device = torch.device(name)
    there = present.get(device.type, False)
    if there and device.type == "cuda" and device.index is not None:
        there = device.index < torch.cuda.device_count()
    if not there:
        message = f"device {name!r} is not available; this machine has: {', '.join(k for k in present if present[k])}"
        raise ResourceError(message)
    return device


def autocast(precision: Literal["auto", "float32", "bfloat16"], device: torch.device) -> AbstractContextManager[None]:
    """Arithmetic of the forward pass; ``auto`` is bfloat16 on a GPU that has it."""
    wanted = precision == "bfloat16" or (
        precision == "auto" and device.type == "cuda" and torch.cuda.is_bf16_supported(including_emulation=False)
    )
    if not wanted:
        return contextlib.nullcontext()
    return torch.autocast(device.type, torch.bfloat16)


def wanted(choice: Literal["auto", "on", "off"], device: torch.device) -> bool:
    """Whether to take a way that suits a GPU: to compile, or to speculate; ``auto`` takes it there."""
    return choice == "on" or (choice == "auto" and device.type == "cuda")
