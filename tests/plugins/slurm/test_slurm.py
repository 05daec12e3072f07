"""Cells as jobs of Slurm, with submitit's own executor for one machine."""

from __future__ import annotations

import shutil

import pytest

from ttf.errors import ResourceError
from ttf.testing import check_launcher
from ttf_plugins.slurm import SlurmConfig


def test_the_contract_of_launchers_is_kept() -> None:
    check_launcher(SlurmConfig(cluster="local"))


@pytest.mark.skipif(shutil.which("srun") is not None, reason="this machine has Slurm")
def test_a_machine_without_slurm_is_told_so() -> None:
    with pytest.raises(ResourceError, match=r"needs Slurm's srun on this machine; launcher\.cluster=local tries"):
        SlurmConfig().build()
