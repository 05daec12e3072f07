"""The decoder keeps the contract."""

from __future__ import annotations

from ttf.testing import check_decoder

from my_decoder import MyDecoderConfig


def test_my_decoder_keeps_the_contract() -> None:
    """The checker says what is wrong, and what to do."""
    check_decoder(MyDecoderConfig(horizon=2, plans=4))
