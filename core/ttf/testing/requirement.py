"""How a checker says that a contract is broken."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor


def require(holds: bool | Tensor, message: str) -> None:
    """Raise an AssertionError with the message unless the condition holds, under ``python -O`` too."""
    if not bool(holds):
        raise AssertionError(message)
