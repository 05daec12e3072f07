"""Signals: SIGINT and SIGTERM end a run, and where work would be lost only at the next safe moment."""

from __future__ import annotations

import signal
from contextlib import contextmanager
from typing import TYPE_CHECKING

from ttf.errors import Interrupted

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import FrameType

EXIT_CODES = {signal.SIGINT: 130, signal.SIGTERM: 143}


class Interrupts:
    """What signals have asked for."""

    def __init__(self) -> None:
        self._deferring = False
        self._pending: int | None = None

    @contextmanager
    def deferred(self) -> Iterator[None]:
        """Within, the first signal waits for :meth:`check`; a second one still ends the run at once."""
        self._deferring = True
        try:
            yield
        finally:
            self._deferring = False
        self.check()

    @property
    def pending(self) -> bool:
        """Whether a signal is waiting."""
        return self._pending is not None

    def check(self) -> None:
        """Give in to a signal that is waiting.

        Raises:
            Interrupted: there is one.
        """
        if self._pending is not None:
            raise Interrupted(self._pending)

    def handle(self, number: int, frame: FrameType | None) -> None:  # noqa: ARG002  (the signature of a handler)
        """Note a signal, or give in to it.

        Raises:
            Interrupted: nothing would be lost, or it is the second signal.
        """
        second, self._pending = self.pending, EXIT_CODES[signal.Signals(number)]
        if second or not self._deferring:
            raise Interrupted(self._pending)


@contextmanager
def handled() -> Iterator[Interrupts]:
    """Handle SIGINT and SIGTERM within; only the main thread can, elsewhere signals stay as they are."""
    interrupts = Interrupts()
    try:
        before = {number: signal.signal(number, interrupts.handle) for number in EXIT_CODES}
    except ValueError:  # not the main thread
        before = {}
    try:
        yield interrupts
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
