"""Cells as jobs of Slurm, with submitit's own executor for one machine."""

from __future__ import annotations

import shutil
import signal
from typing import TYPE_CHECKING

import pytest

from ttf.errors import ResourceError
from ttf.testing import check_launcher
from ttf_plugins.slurm import SlurmConfig

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(autouse=True)
def heard() -> Iterator[None]:
    """SIGINT, by which submitit ends its local jobs; what a script starts in the background is born deaf to it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def test_the_contract_of_launchers_is_kept() -> None:
    check_launcher(SlurmConfig(cluster="local"))


@pytest.mark.skipif(shutil.which("srun") is not None, reason="this machine has Slurm")
def test_a_machine_without_slurm_is_told_so() -> None:
    with pytest.raises(ResourceError, match=r"needs Slurm's srun on this machine; launcher\.cluster=local tries"):
        SlurmConfig().build()
