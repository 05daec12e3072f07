"""How a checker says that a contract is broken."""

from __future__ import annotations


def require(holds: object, message: str) -> None:
    """Raise an AssertionError with the message unless the condition is true, under ``python -O`` too."""
    if not bool(holds):
        raise AssertionError(message)
