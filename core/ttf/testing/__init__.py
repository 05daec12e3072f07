"""Contract checkers: whoever writes a component calls these in a test.

Each raises an AssertionError that says what the component did and what the contract asks for.
"""

from __future__ import annotations

from ttf.testing.analysis import check_analysis
from ttf.testing.baseline import check_baseline
from ttf.testing.critic import check_critic
from ttf.testing.data import check_data_source
from ttf.testing.decoder import check_decoder
from ttf.testing.discretizer import CASES, check_discretizer, sample_rows
from ttf.testing.environment import check_environment
from ttf.testing.launcher import check_launcher
from ttf.testing.model import check_sequence_model
from ttf.testing.reporter import check_reporter

__all__ = [
    "CASES",
    "check_analysis",
    "check_baseline",
    "check_critic",
    "check_data_source",
    "check_decoder",
    "check_discretizer",
    "check_environment",
    "check_launcher",
    "check_reporter",
    "check_sequence_model",
    "sample_rows",
]
