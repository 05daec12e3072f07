"""The model keeps the contract."""

from __future__ import annotations

from ttf.testing import check_sequence_model

from my_model import MyModelConfig


def test_my_model_keeps_the_contract() -> None:
    """The checker says what is wrong, and what to do."""
    check_sequence_model(MyModelConfig(width=8))
