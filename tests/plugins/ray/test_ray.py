"""Cells as tasks of Ray, on a cluster of two workers."""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from importlib.util import find_spec
from typing import TYPE_CHECKING

import psutil
import pytest

from ttf.errors import Interrupted, ResourceError
from ttf.interfaces.launcher import Job
from ttf.interrupts import handled
from ttf.testing import check_launcher
from ttf_plugins.ray import RayConfig

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.skipif(find_spec("ray") is None, reason="Ray is not installed")

KILLS_ITS_WORKER = """
import os, time
from ttf.processes import end_with_launcher
end_with_launcher()
open({number!r}, "w").write(str(os.getpid()))
os.kill(os.getppid(), 9)
time.sleep(600)
"""
INTERRUPTS = "import os, time; open({number!r}, 'w').write(str(os.getpid())); os.kill({pid}, 2); time.sleep(600)"


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    """Of a cluster of a head that runs nothing and two workers."""
    RayConfig().build()  # what Ray prints is decided where it is imported first
    from ray.cluster_utils import Cluster

    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, "include_dashboard": False})
    for _ in range(2):
        cluster.add_node(num_cpus=1)
    yield cluster.address
    cluster.shutdown()  # type: ignore[no-untyped-call]


def test_the_contract_of_launchers_is_kept_on_a_cluster_of_two_workers(address: str) -> None:
    check_launcher(RayConfig(address=address))


def test_a_worker_that_is_killed_leaves_nothing_behind_and_its_cell_says_why(
    address: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    number = tmp_path / "number"
    scripts = {"killed": KILLS_ITS_WORKER.format(number=str(number)), "works": "print('hello')"}
    jobs = [Job(name, (sys.executable, "-c", script), tmp_path / f"{name}.log") for name, script in scripts.items()]
    jobs.append(Job("none", ("/no/such/program",), tmp_path / "none.log"))
    outcomes: dict[str, str | None] = {}
    RayConfig(address=address).build().run(jobs, lambda job, failure: outcomes.update({job.name: failure}))
    assert outcomes == {
        "killed": "the Ray worker was killed, as happens when memory runs out",
        "works": None,
        "none": "cannot be started: [Errno 2] No such file or directory: '/no/such/program'",
    }
    _wait_until_gone(int(number.read_text()))
    assert capfd.readouterr() == ("", ""), "what Ray has to say is no news for the user"


def test_a_node_that_dies_is_said_in_one_plain_line(monkeypatch: pytest.MonkeyPatch) -> None:
    launcher = RayConfig().build()
    import ray

    from ttf_plugins.ray.ray import RayLauncher

    def died(_task: object) -> None:
        message = "Task failed because the node it was running on is dead or unavailable. Node IP: 10.0.0.1, and so on"
        raise ray.exceptions.NodeDiedError(message)  # type: ignore[no-untyped-call]

    monkeypatch.setattr(ray, "get", died)
    assert isinstance(launcher, RayLauncher)
    assert launcher._failure(None) == "the Ray node it ran on has died, or cannot be reached any more"


def test_ctrl_c_interrupts_the_study_as_with_other_launchers(address: str, tmp_path: Path) -> None:
    number = tmp_path / "number"
    script = INTERRUPTS.format(number=str(number), pid=os.getpid())
    job = Job("interrupts", (sys.executable, "-c", script), tmp_path / "log")
    with handled(), pytest.raises(Interrupted) as caught:
        RayConfig(address=address).build().run([job], lambda _job, _failure: None)
    assert (caught.value.exit_code, str(caught.value)) == (130, "interrupted; continue with --resume")
    _wait_until_gone(int(number.read_text()))


def _wait_until_gone(number: int) -> None:
    with suppress(psutil.NoSuchProcess):
        psutil.Process(number).wait(60)


def test_an_address_without_a_cluster_is_named() -> None:
    with pytest.raises(ResourceError, match=r"^no Ray cluster at 127\.0\.0\.1:1: "):
        RayConfig(address="127.0.0.1:1").build().run([], lambda _job, _failure: None)
