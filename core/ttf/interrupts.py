"""Signals: SIGINT and SIGTERM end a run, and where work would be lost only at the next safe moment."""

from __future__ import annotations

import signal
from contextlib import contextmanager
from typing import TYPE_CHECKING

from ttf.errors import Interrupted, LostProcessError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import FrameType

EXIT_CODES = {signal.SIGINT: 130, signal.SIGTERM: 143}


class Interrupts:
    """What signals have asked for."""

    def __init__(self) -> None:
        self._deferring = self._ignoring = False
        self._pending: int | None = None

    @contextmanager
    def deferred(self) -> Iterator[None]:
        """Within, the first signal waits for :meth:`check`; a second one still ends the run at once.

        Once another process of a training has ended, signals are ignored.
        """
        self._deferring = True
        try:
            yield
        except LostProcessError:
            self.ignore()
            raise
        finally:
            self._deferring = False
        self.check()

    @property
    def pending(self) -> bool:
        """Whether a signal is waiting."""
        return self._pending is not None

    @property
    def code(self) -> int:
        """The exit code that a signal asks for; 0 if none is waiting."""
        return self._pending or 0

    def remember(self, code: int) -> None:
        """Take a signal that another process has got for one of this process; 0 is none."""
        if code:
            self._pending = code

    def ignore(self) -> None:
        """Heed no signal any more: another process has ended, so the launcher ends this one, which is to say why."""
        self._ignoring = True

    @property
    def ignored(self) -> bool:
        """Whether signals are ignored."""
        return self._ignoring

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
        if self._ignoring:
            return
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
            signal.signal(number, signal.SIG_IGN if interrupts.ignored else handler)
