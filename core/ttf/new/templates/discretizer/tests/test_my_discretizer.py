"""The discretizer keeps the contract."""

from __future__ import annotations

from ttf.testing import check_discretizer

from my_discretizer import MyDiscretizerConfig


def test_my_discretizer_keeps_the_contract() -> None:
    """The checker says what is wrong, and what to do."""
    check_discretizer(MyDiscretizerConfig())
