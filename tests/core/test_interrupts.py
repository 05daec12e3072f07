"""Signals end a run at once where nothing is lost, at the next safe moment where something would be."""

from __future__ import annotations

import os
import signal
import threading
from typing import TYPE_CHECKING

import pytest

from ttf.errors import Interrupted, LostProcessError
from ttf.interrupts import Interrupts, handled

if TYPE_CHECKING:
    from collections.abc import Iterator

CODES = [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)]


@pytest.fixture(autouse=True)
def _a_terminal() -> Iterator[None]:
    """SIGHUP as a terminal leaves it, though these tests may run under nohup."""
    before = signal.signal(signal.SIGHUP, signal.SIG_DFL)
    yield
    signal.signal(signal.SIGHUP, before)


@pytest.mark.parametrize(("number", "code"), CODES)
def test_a_signal_ends_the_run_at_once(number: signal.Signals, code: int) -> None:
    with handled(), pytest.raises(Interrupted, match=r"^interrupted; continue with --resume$") as error:
        os.kill(os.getpid(), number)
    assert error.value.exit_code == code


def test_whoever_handles_signals_says_what_to_do_next() -> None:
    with handled("run it again"), pytest.raises(Interrupted, match=r"^interrupted; run it again$"):
        os.kill(os.getpid(), signal.SIGINT)


def deferred(interrupts: Interrupts, *numbers: signal.Signals, done: list[bool], patient: bool = False) -> None:
    """Send signals within a deferred block, and note after each whether one is pending."""
    with interrupts.deferred(patient=patient):
        for number in numbers:
            os.kill(os.getpid(), number)
            done.append(interrupts.pending)


@pytest.mark.parametrize(("number", "code"), CODES)
def test_a_deferred_signal_waits_for_the_end_of_the_block(number: signal.Signals, code: int) -> None:
    done: list[bool] = []
    with handled() as interrupts, pytest.raises(Interrupted) as error:
        deferred(interrupts, number, done=done)
    assert error.value.exit_code == code
    assert done == [True]


@pytest.mark.parametrize("first", [number for number, _ in CODES])
@pytest.mark.parametrize(("second", "code"), CODES)
def test_the_second_signal_does_not_wait(first: signal.Signals, second: signal.Signals, code: int) -> None:
    done: list[bool] = []
    with handled() as interrupts, pytest.raises(Interrupted) as error:
        deferred(interrupts, first, second, done=done)
    assert error.value.exit_code == code
    assert done == [True]


def test_patient_work_makes_the_second_signal_wait_too() -> None:
    done: list[bool] = []
    with handled() as interrupts, pytest.raises(Interrupted) as error:
        deferred(interrupts, signal.SIGTERM, signal.SIGINT, done=done, patient=True)
    assert error.value.exit_code == 130
    assert done == [True, True]


def test_a_run_under_nohup_outlives_its_terminal() -> None:
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    with handled():
        os.kill(os.getpid(), signal.SIGHUP)
    assert signal.getsignal(signal.SIGHUP) == signal.SIG_IGN


def test_another_error_within_a_deferred_block_is_the_one_that_counts() -> None:
    def fail() -> None:
        with interrupts.deferred():
            interrupts.handle(signal.SIGTERM, None)
            raise ZeroDivisionError

    interrupts = Interrupts()
    with pytest.raises(ZeroDivisionError):
        fail()
    with pytest.raises(Interrupted):
        interrupts.check()


def test_after_a_deferred_block_signals_end_the_run_at_once_again() -> None:
    interrupts = Interrupts()
    with interrupts.deferred():
        pass
    interrupts.check()
    with pytest.raises(Interrupted):
        interrupts.handle(signal.SIGINT, None)


def test_once_another_process_has_gone_signals_are_no_news() -> None:
    before = [signal.getsignal(number) for number, _ in CODES]
    try:
        with pytest.raises(LostProcessError), handled() as interrupts, interrupts.deferred():
            raise LostProcessError
        os.kill(os.getpid(), signal.SIGTERM)
        interrupts.handle(signal.SIGTERM, None)
        interrupts.check()
    finally:
        for (number, _), handler in zip(CODES, before, strict=True):
            signal.signal(number, handler)


def test_a_signal_of_another_process_waits_as_one_of_this_one_does() -> None:
    interrupts = Interrupts()
    interrupts.remember(0)
    assert (interrupts.pending, interrupts.code) == (False, 0)
    interrupts.remember(130)
    assert (interrupts.pending, interrupts.code) == (True, 130)
    interrupts.remember(0)
    with pytest.raises(Interrupted) as error:
        interrupts.check()
    assert error.value.exit_code == 130


def test_handlers_are_put_back() -> None:
    before = [signal.getsignal(number) for number, _ in CODES]
    with handled() as interrupts:
        assert [signal.getsignal(number) for number, _ in CODES] == [interrupts.handle] * len(CODES)
    assert [signal.getsignal(number) for number, _ in CODES] == before
    with pytest.raises(KeyError), handled():
        raise KeyError
    assert [signal.getsignal(number) for number, _ in CODES] == before


def test_in_another_thread_signals_stay_as_they_are() -> None:
    before = [signal.getsignal(number) for number, _ in CODES]
    seen = []

    def work() -> None:
        with handled() as interrupts:
            interrupts.check()
            seen.append([signal.getsignal(number) for number, _ in CODES])

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert seen == [before]
