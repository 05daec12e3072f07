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


def has_bfloat16(device: torch.device) -> bool:
    """Whether a device multiplies bfloat16 itself; to emulate it takes ten times as long as float32."""
    if device.type == "cuda":
        native: bool = torch.cuda.is_bf16_supported(including_emulation=False)
        return native
    if device.type == "cpu":
        capabilities = torch.cpu.get_capabilities()
        return any(capabilities.get(name, False) for name in ("avx512_bf16", "amx_bf16", "bf16"))
    return False


def gpu() -> dict[str, str]:
    """The GPU and its CUDA; nothing where there is none."""
    if not torch.cuda.is_available():
        return {}
    return {"gpu": torch.cuda.get_device_name(), "cuda": torch.version.cuda or ""}


def autocast(precision: Literal["auto", "float32", "bfloat16"], device: torch.device) -> AbstractContextManager[None]:
    """Arithmetic of the forward pass: bfloat16 where it is asked for, or ``auto`` on a GPU, and the device has it."""
    asked = precision == "bfloat16" or (precision == "auto" and device.type == "cuda")
    if asked and has_bfloat16(device):
        return torch.autocast(device.type, torch.bfloat16)
    return contextlib.nullcontext()


def wanted(choice: Literal["auto", "on", "off"], device: torch.device) -> bool:
    """Whether to take a way that suits a GPU: to compile, or to speculate; ``auto`` takes it there."""
    return choice == "on" or (choice == "auto" and device.type == "cuda")
