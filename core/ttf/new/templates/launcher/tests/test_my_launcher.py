"""The launcher keeps the contract."""

from __future__ import annotations

from ttf.testing import check_launcher

from my_launcher import MyLauncherConfig


def test_my_launcher_keeps_the_contract() -> None:
    """The checker says what is wrong, and what to do."""
    check_launcher(MyLauncherConfig())
