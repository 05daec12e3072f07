"""The baseline keeps the contract."""

from __future__ import annotations

from ttf.testing import check_baseline

from my_baselines import MyBaselinesConfig


def test_my_baselines_keeps_the_contract() -> None:
    """The checker says what is wrong, and what to do."""
    check_baseline(MyBaselinesConfig())
