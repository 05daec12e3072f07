"""Signals: SIGINT, SIGTERM and SIGHUP end a run, and where work would be lost only at the next safe moment."""

from __future__ import annotations

import signal
import sys
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

from ttf.errors import Interrupted, LostProcessError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import FrameType

EXIT_CODES = {signal.SIGINT: 130, signal.SIGTERM: 143}
if sys.platform != "win32":
    EXIT_CODES[signal.SIGHUP] = 129  # the terminal has been closed


class Interrupts:
    """What signals have asked for; ``advice`` is for who sent them."""

    def __init__(self, advice: str = "continue with --resume") -> None:
        self._advice = advice
        self._deferring = self._patient = self._ignoring = False
        self._pending: int | None = None

    @contextmanager
    def deferred(self, *, patient: bool = False) -> Iterator[None]:
        """Within, the first signal waits for :meth:`check`; a second one, if not ``patient``, ends the run at once.

        Once another process of a training has ended, signals are ignored.
        """
        self._deferring, self._patient = True, patient
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
            raise Interrupted(self._pending, self._advice)

    def handle(self, number: int, frame: FrameType | None) -> None:  # noqa: ARG002  (the signature of a handler)
        """Note a signal, or give in to it.

        Raises:
            Interrupted: nothing would be lost, or it is the second signal.
        """
        if self._ignoring:
            return
        second, self._pending = self.pending, EXIT_CODES[signal.Signals(number)]
        if not self._deferring or (second and not self._patient):
            raise Interrupted(self._pending, self._advice)


@contextmanager
def handled(advice: str = "continue with --resume") -> Iterator[Interrupts]:
    """Handle the signals within; only the main thread can, elsewhere they stay as they are.

    So does a SIGHUP that is ignored, as ``nohup`` wants it. ``advice`` says how to get what the end leaves out.
    """
    interrupts = Interrupts(advice)
    before: dict[signal.Signals, Any] = {}
    with suppress(ValueError):  # not the main thread
        for number in (number for number in EXIT_CODES if not _hushed(number)):
            before[number] = signal.signal(number, interrupts.handle)
    try:
        yield interrupts
    finally:
        for number, handler in before.items():
            signal.signal(number, signal.SIG_IGN if interrupts.ignored else handler)


def _hushed(number: signal.Signals) -> bool:
    return number.name == "SIGHUP" and signal.getsignal(number) == signal.SIG_IGN
