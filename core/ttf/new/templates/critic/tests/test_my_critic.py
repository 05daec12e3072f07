"""The critic keeps the contract."""

from __future__ import annotations

from ttf.testing import check_critic

from my_critic import MyCriticConfig


def test_my_critic_keeps_the_contract() -> None:
    """The checker says what is wrong, and what to do."""
    check_critic(MyCriticConfig(hidden=8))
