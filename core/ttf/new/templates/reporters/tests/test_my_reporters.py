"""The reporter keeps the contract."""

from __future__ import annotations

from ttf.testing import check_reporter

from my_reporters import MyReportersConfig


def test_my_reporters_keeps_the_contract() -> None:
    """The checker says what is wrong, and what to do."""
    check_reporter(MyReportersConfig())
