"""The environment keeps the contract."""

from __future__ import annotations

from ttf.testing import check_environment

from my_environment import MyEnvironmentConfig


def test_my_environment_keeps_the_contract() -> None:
    """The checker says what is wrong, and what to do."""
    check_environment(MyEnvironmentConfig(steps=10))
