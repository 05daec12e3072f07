"""What is asked for by name must be there; what is left to choose is chosen by what there is."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import torch

from ttf.device import autocast, has_bfloat16, resolve_device, wanted
from ttf.errors import ResourceError

if TYPE_CHECKING:
    from collections.abc import Callable


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> Callable[[int, bool], None]:
    """Pretend that a machine has so many GPUs of one kind, and perhaps one of the other."""

    def pretend(cuda: int, mps: bool) -> None:
        monkeypatch.setattr(torch.cuda, "is_available", lambda: cuda > 0)
        monkeypatch.setattr(torch.cuda, "device_count", lambda: cuda)
        monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda **_: cuda > 1)
        monkeypatch.setattr(torch.backends.mps, "is_available", lambda: mps)

    return pretend


@pytest.mark.parametrize(
    ("cuda", "mps", "name", "expected"),
    [
        (0, False, "auto", "cpu"),
        (0, True, "auto", "mps"),
        (1, True, "auto", "cuda"),
        (2, False, "cuda:1", "cuda:1"),
        (1, True, "cpu", "cpu"),
        (0, True, "mps", "mps"),
        (1, False, "cuda", "cuda"),
    ],
)
def test_the_device_is_the_one_named_or_the_best(
    cuda: int,
    mps: bool,
    name: str,
    expected: str,
    machine: Callable[[int, bool], None],
) -> None:
    machine(cuda, mps)
    assert resolve_device(name) == torch.device(expected)


@pytest.mark.parametrize(
    ("cuda", "name", "present"), [(0, "cuda", "cpu"), (1, "cuda:1", "cuda, cpu"), (1, "mps", "cuda, cpu")]
)
def test_a_device_that_is_not_there_is_an_error(
    cuda: int, name: str, present: str, machine: Callable[[int, bool], None]
) -> None:
    machine(cuda, False)
    with pytest.raises(ResourceError) as error:
        resolve_device(name)
    assert str(error.value) == f"device {name!r} is not available; this machine has: {present}"


@pytest.mark.parametrize("capability", ["avx512_bf16", "amx_bf16", "bf16", None])
def test_bfloat16_is_used_where_it_is_asked_for_and_need_not_be_emulated(
    capability: str | None, machine: Callable[[int, bool], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    cpu, one = torch.device("cpu"), torch.ones(2, 2)
    machine(0, False)
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"avx2": True, "cpu_name": "a", capability: True})
    there = capability is not None
    half = torch.bfloat16 if there else torch.float32
    for precision, dtype in (("auto", torch.float32), ("float32", torch.float32), ("bfloat16", half)):
        with autocast(precision, cpu):  # type: ignore[arg-type]
            assert (one @ one).dtype == dtype
    assert (one @ one).dtype == torch.float32
    assert has_bfloat16(cpu) == there


def test_a_gpu_is_asked_whether_it_has_bfloat16(machine: Callable[[int, bool], None]) -> None:
    for count in (1, 2):  # the second kind has it
        machine(count, False)
        assert has_bfloat16(torch.device("cuda")) == (count > 1)
    assert not has_bfloat16(torch.device("mps"))


def test_compilation_is_for_gpus_unless_said_otherwise() -> None:
    choices = [
        (choice, kind, wanted(choice, torch.device(kind)))
        for choice in ("auto", "on", "off")
        for kind in ("cpu", "cuda")
    ]
    assert choices == [
        ("auto", "cpu", False),
        ("auto", "cuda", True),
        ("on", "cpu", True),
        ("on", "cuda", True),
        ("off", "cpu", False),
        ("off", "cuda", False),
    ]
