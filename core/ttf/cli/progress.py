"""Progress on a terminal as bars, elsewhere as an occasional line."""

from __future__ import annotations

import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import click

from ttf.cli.output import make_console

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rich.progress import Progress as Bars

    from ttf.interfaces.progress import Progress, Task

#: Seconds between two lines of a task when nobody looks.
QUIET = 10.0


@dataclass
class Pace:
    """How far a task is, and how fast it goes."""

    total: int
    unit: str
    started: float
    done: int = 0
    skipped: int = 0
    """What was done before the clock started."""

    figures: dict[str, float] = field(default_factory=dict)

    def advance(self, amount: int, figures: dict[str, float]) -> None:
        """``amount`` more is done."""
        self.done += amount
        self.figures |= figures

    def __str__(self) -> str:
        seconds = max(time.monotonic() - self.started, 1e-9)
        rate = (self.done - self.skipped) / seconds
        parts = [f"{self.done:,}/{self.total:,} {self.unit}".rstrip()]
        if rate > 0:
            parts.append(f"{rate:,.{0 if rate >= 100 else 1}f}/s")
            remaining = max(self.total - self.done, 0)
            parts.append(f"{duration(remaining / rate)} left" if remaining else duration(seconds))
        return "  ".join([*parts, *(f"{name} {value:.4g}" for name, value in self.figures.items())])


def duration(seconds: float) -> str:
    """Seconds as a person says them: ``42 s``, ``3:05 min`` or ``1:02 h``."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60}:{whole % 60:02d} min"
    return f"{whole // 3600}:{whole % 3600 // 60:02d} h"


@contextmanager
def make_progress() -> Iterator[Progress]:
    """Bars on a terminal, plain lines elsewhere; both on stderr."""
    console = make_console(stderr=True)
    if not console.is_terminal or console.is_dumb_terminal:
        yield LineProgress()
        return
    from rich.progress import BarColumn, TextColumn
    from rich.progress import Progress as Bars

    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        TextColumn("{task.fields[pace]}", markup=False),
    )
    with Bars(*columns, console=console) as bars:
        yield BarProgress(bars)


@dataclass
class _LineTask:
    name: str
    pace: Pace
    printed: float

    def advance(self, amount: int = 1, **figures: float) -> None:
        self.pace.advance(amount, figures)
        if time.monotonic() - self.printed >= QUIET:
            self.print()

    def print(self) -> None:
        click.echo(f"{self.name}: {self.pace}", err=True)
        self.printed = time.monotonic()


class LineProgress:
    """A line every ten seconds, and one at the end of each task."""

    @contextmanager
    def task(self, name: str, total: int, *, done: int = 0, unit: str = "") -> Iterator[Task]:
        """See :class:`ttf.interfaces.progress.Progress`."""
        task = _LineTask(name, Pace(total, unit, time.monotonic(), done, done), time.monotonic())
        try:
            yield task
        finally:
            task.print()

    def note(self, text: str) -> None:
        """See :class:`ttf.interfaces.progress.Progress`."""
        click.echo(text, err=True)


@dataclass
class _BarTask:
    bars: Bars
    bar: int
    pace: Pace
    shown: float = 0.0

    def advance(self, amount: int = 1, **figures: float) -> None:
        self.pace.advance(amount, figures)
        now = time.monotonic()
        if now - self.shown >= 0.1 or self.pace.done >= self.pace.total:
            self.show()
            self.shown = now

    def show(self) -> None:
        from rich.progress import TaskID

        self.bars.update(TaskID(self.bar), completed=self.pace.done, pace=str(self.pace))


@dataclass(frozen=True)
class BarProgress:
    """A bar for each task; it stays when the task is done."""

    bars: Bars

    @contextmanager
    def task(self, name: str, total: int, *, done: int = 0, unit: str = "") -> Iterator[Task]:
        """See :class:`ttf.interfaces.progress.Progress`."""
        pace = Pace(total, unit, time.monotonic(), done, done)
        bar = self.bars.add_task(name, total=total, completed=done, pace=str(pace))
        task = _BarTask(self.bars, bar, pace)
        try:
            yield task
        finally:
            task.show()
            self.bars.stop_task(bar)

    def note(self, text: str) -> None:
        """See :class:`ttf.interfaces.progress.Progress`."""
        self.bars.console.print(text, markup=False)
