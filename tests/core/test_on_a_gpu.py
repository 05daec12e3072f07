"""What training chooses on a GPU, as far as a machine without one can tell."""

from __future__ import annotations

import pytest
import torch
from tests.core.test_train import config, gpt
from torch import Tensor

from ttf.episodes import Batch
from ttf.train import _optimizer


@pytest.mark.parametrize(("device", "pinned"), [("cuda", 4), ("cuda:1", 4), ("cpu", 0), ("mps", 0)])
def test_batches_are_copied_to_a_gpu_from_pinned_memory_and_nobody_waits(
    device: str, pinned: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[tuple[str, object]] = []

    def pin(tensor: Tensor) -> Tensor:
        calls.append(("pinned", None))
        return tensor

    def to(tensor: Tensor, where: torch.device, *, non_blocking: bool) -> Tensor:
        assert non_blocking
        calls.append(("copied", where))
        return tensor

    monkeypatch.setattr(Tensor, "pin_memory", pin)
    monkeypatch.setattr(Tensor, "to", to)
    tensors = [torch.full((2, 3), index) for index in range(4)]
    assert all(one is other for one, other in zip(Batch(*tensors).to(torch.device(device)), tensors, strict=True))
    assert calls.count(("copied", torch.device(device))) == 4
    assert calls.count(("pinned", None)) == pinned


@pytest.mark.parametrize(("device", "fused"), [("cuda", True), ("cuda:1", True), ("cpu", True), ("mps", False)])
def test_weights_are_updated_in_one_pass_where_that_is_there(device: str, fused: bool) -> None:
    optimizer = _optimizer(gpt(), config(), torch.device(device))
    assert [group["fused"] for group in optimizer.param_groups] == [fused, fused]
    assert [group["weight_decay"] for group in optimizer.param_groups] == [0.1, 0.0]
