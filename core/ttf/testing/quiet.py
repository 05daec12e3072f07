"""Progress for tests: it shows nothing and remembers what it was told."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ttf.testing.requirement import require

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ttf.interfaces.progress import Task


@dataclass
class Ticks:
    """A task that remembers its figures."""

    figures: list[dict[str, float]] = field(default_factory=list)

    def advance(self, amount: int = 1, **figures: float) -> None:
        """``amount`` more is done."""
        self.figures += [figures] * amount


@dataclass
class Quiet:
    """Progress that remembers what it was told."""

    notes: list[str] = field(default_factory=list)
    tasks: dict[str, Ticks] = field(default_factory=dict)

    @contextmanager
    def task(self, name: str, total: int, *, done: int = 0, unit: str = "") -> Iterator[Task]:
        """A bar of ``total`` units, of which ``done`` are done already."""
        require(0 <= done <= total, f"task {name!r} has {done} of {total} {unit} done; expected 0 to {total}")
        self.tasks[name] = Ticks()
        yield self.tasks[name]

    def note(self, text: str) -> None:
        """One line the user should see."""
        self.notes.append(text)
