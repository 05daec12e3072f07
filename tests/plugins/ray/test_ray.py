"""Cells as tasks of Ray, on a cluster of two workers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ttf.errors import ResourceError
from ttf.testing import check_launcher
from ttf_plugins.ray import RayConfig

if TYPE_CHECKING:
    from collections.abc import Iterator

ray = pytest.importorskip("ray", reason="Ray is not installed")


@pytest.fixture
def address() -> Iterator[str]:
    """Of a cluster of a head that runs nothing and two workers."""
    from ray.cluster_utils import Cluster

    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, "include_dashboard": False})
    for _ in range(2):
        cluster.add_node(num_cpus=1)
    yield cluster.address
    cluster.shutdown()  # type: ignore[no-untyped-call]


def test_the_contract_of_launchers_is_kept_on_a_cluster_of_two_workers(address: str) -> None:
    check_launcher(RayConfig(address=address))


def test_an_address_without_a_cluster_is_named() -> None:
    with pytest.raises(ResourceError, match=r"^no Ray cluster at 127\.0\.0\.1:1: "):
        RayConfig(address="127.0.0.1:1").build().run([], lambda _job, _failure: None)
