"""The data source keeps the contract."""

from __future__ import annotations

from ttf.testing import check_data_source

from my_data import MyDataConfig


def test_my_data_keeps_the_contract() -> None:
    """The checker says what is wrong, and what to do."""
    check_data_source(MyDataConfig(episodes=12))
