"""The analysis keeps the contract."""

from __future__ import annotations

from ttf.testing import check_analysis

from my_analyses import MyAnalysesConfig


def test_my_analyses_keeps_the_contract() -> None:
    """The checker says what is wrong, and what to do."""
    check_analysis(MyAnalysesConfig())
