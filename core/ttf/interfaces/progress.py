"""Progress: how long-running parts say how far they are, without printing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

__all__ = ["Progress", "Task"]


class Task(Protocol):
    """One bar."""

    def advance(self, amount: int = 1, **figures: float) -> None:
        """``amount`` more is done; ``figures`` stand beside the bar."""
        ...


class Progress(Protocol):
    """What the command line gives to the parts that take a while."""

    def task(self, name: str, total: int, *, done: int = 0, unit: str = "") -> AbstractContextManager[Task]:
        """A bar of ``total`` units, of which ``done`` are done already."""
        ...

    def note(self, text: str) -> None:
        """One line the user should see."""
        ...
