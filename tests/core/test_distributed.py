"""Processes share batches without a gap, wait for the first one, and end as it says; what they do is in together."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Any

import pytest
import torch
from tests.core.test_train import WINDOWS, Signalling, Signals, config, newest, trainer, untimed
from tests.core.toys import Quiet, tiny_recipe
from torch.distributed import HashStore  # type: ignore[attr-defined]  # it does not say that it exports it

from ttf.distributed import POLL, Company, World
from ttf.errors import DataError, Interrupted, LostProcessError, RecipeError, ResourceError, TtfError
from ttf.interrupts import Interrupts
from ttf.sections import TrainingConfig
from ttf.together import first_device, train

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path


@pytest.fixture(autouse=True)
def _hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """Wait at the end no longer than a moment."""
    monkeypatch.setattr("ttf.distributed.LEAVING", 0.1)


def companies(size: int) -> list[Company]:
    """As many processes as asked for, all of which are this one."""
    store = HashStore()
    return [Company(rank, size, rank, store) for rank in range(size)]


@pytest.mark.parametrize("size", [1, 2, 3, 8])
@pytest.mark.parametrize("count", [0, 1, 7, 8, 9, 256])
def test_shares_are_all_of_a_batch_in_order_and_as_equal_as_can_be(size: int, count: int) -> None:
    shares = [list(range(count))[World(rank, size).share(count)] for rank in range(size)]
    assert [index for share in shares for index in share] == list(range(count))
    assert max(map(len, shares)) - min(map(len, shares)) <= 1


def test_alone_nothing_is_sent_and_everything_stays_as_it_is() -> None:
    world, ones = World(), torch.ones(3)
    assert world.is_first
    assert world.sum(ones) is ones
    assert world.first(ones) is ones
    assert world.add_gradients([], ones) is ones
    assert (world.total(2.5), world.largest(7), world.tell(b"what")) == (2.5, 7, b"what")
    world.wait()


def test_the_others_train_once_the_first_process_calls_them() -> None:
    first, second = companies(2)
    found: list[torch.device | None] = []
    thread = threading.Thread(target=lambda: found.append(second.summoned()))
    thread.start()
    time.sleep(2 * POLL)
    assert found == []
    first.summon(torch.device("cpu"))
    thread.join()
    assert found == [torch.device("cpu")]


def test_the_others_end_with_the_first_process_and_its_exit_code() -> None:
    first, second, third = companies(3)
    first.dismiss(3)
    assert second.summoned() is None
    assert [company.dismissed(otherwise=1) for company in (second, third)] == [3, 3]


def test_the_first_process_ends_after_the_others_unless_one_has_gone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ttf.distributed.LEAVING", 60.0)
    first, second = companies(2)
    thread = threading.Thread(target=first.dismiss, args=(0,))
    thread.start()
    thread.join(2 * POLL)
    assert thread.is_alive()
    second.leave()
    thread.join()
    first, second = companies(2)
    first.give_up()
    first.dismiss(6)
    assert second.dismissed(otherwise=1) == 6


def test_the_others_do_not_wait_forever_for_an_exit_code() -> None:
    assert companies(2)[1].dismissed(otherwise=143) == 143


def test_the_first_process_says_what_the_first_to_fail_had_to_say(tmp_path: Path) -> None:
    first, second, third = companies(3)
    second.fail("no GPU")
    third.fail("another process has ended")
    with pytest.raises(ResourceError, match=r"^rank 1 of 3: no GPU$"):
        train(trainer(tmp_path, [], config()), tiny_recipe(), first, Quiet(), Interrupts())


def gone(*_: object) -> None:
    raise LostProcessError


def interrupted(*_: object) -> None:
    raise Interrupted(143)


@pytest.mark.parametrize(
    ("happens", "reason", "expected"),
    [
        (gone, "no GPU", ResourceError("rank 1 of 2: no GPU")),
        (gone, "", ResourceError("another process of this training has ended; continue with --resume")),
        (interrupted, "no GPU", ResourceError("rank 1 of 2: no GPU")),  # the launcher was faster
        (interrupted, "", Interrupted(143)),
    ],
)
def test_that_another_process_has_gone_is_told_and_a_signal_only_if_none_has(
    happens: Callable[..., None],
    reason: str,
    expected: BaseException,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    first, second = companies(2)
    monkeypatch.setattr(first, "summon", happens)
    if reason:
        second.fail(reason)
    with pytest.raises(type(expected)) as raised:
        train(trainer(tmp_path, [], config()), tiny_recipe(), first, Quiet(), Interrupts())
    assert str(raised.value) == str(expected)


def test_what_is_trained_already_needs_nobody(tmp_path: Path) -> None:
    first, second = companies(2)
    one = trainer(tmp_path, [], config(steps=3))
    one.run(Quiet(), Interrupts())
    train(one, tiny_recipe(), first, Quiet(), Interrupts())
    assert second.summoned() is None
    assert second.dismissed(otherwise=1) == 0


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        (
            {"training": TrainingConfig(batch_size=3)},
            RecipeError("training.batch_size: 3 is too small for 4 processes to share"),
        ),
        (
            {"device": "cuda:1"},
            RecipeError("device: 'cuda:1' is one device, but there are 4 processes; cuda gives each one its own"),
        ),
        (
            {"device": "mps"},
            ResourceError("device 'mps' trains in one process only, and there are 4 processes; choose cpu"),
        ),
    ],
)
def test_what_several_processes_cannot_share_is_refused_before_anything_is_made(
    changes: dict[str, Any], error: TtfError, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 4)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: True)
    with pytest.raises(type(error)) as raised:
        first_device(tiny_recipe(**changes), companies(4)[0])
    assert str(raised.value) == str(error)


def test_data_of_fewer_windows_than_processes_is_refused(tmp_path: Path) -> None:
    size = len(WINDOWS) + 1
    message = f"^the data has only {len(WINDOWS)} windows for {size} processes to share$"
    with pytest.raises(DataError, match=message):
        train(trainer(tmp_path, [], config()), tiny_recipe(), Company(0, size, 0, HashStore()), Quiet(), Interrupts())


def test_every_process_of_a_machine_has_a_gpu_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    first, second, third = companies(3)
    assert first_device(tiny_recipe(device="cuda"), first) == torch.device("cuda:0")
    assert first_device(tiny_recipe(device="auto"), first) == torch.device("cuda:0")
    first.dismiss(0)
    assert second.device("cuda") == torch.device("cuda:1")
    assert second.device("cpu") == torch.device("cpu")
    with pytest.raises(ResourceError, match=r"^device 'cuda:2' is not available; this machine has: cuda, cpu$"):
        third.device("cuda")


@pytest.fixture
def apart(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let processes of a world be alone: they hear of nobody."""
    for name in ("sum", "first"):
        monkeypatch.setattr(World, name, lambda _, tensor: tensor)
    monkeypatch.setattr(World, "largest", lambda _, number: number)
    monkeypatch.setattr(World, "add_gradients", lambda _, __, loss: loss)


@pytest.mark.usefixtures("apart")
def test_the_dropout_of_another_process_is_its_own_and_follows_from_the_step(tmp_path: Path) -> None:
    records: dict[str, list[Mapping[str, Any]]] = {name: [] for name in ("first", "second", "cut")}
    every = config(steps=6, log_every=1)
    trainer(tmp_path, records["first"], every).run(Quiet(), Interrupts(), World(0, 2))
    trainer(tmp_path, records["second"], every).run(Quiet(), Interrupts(), World(1, 2))
    cut, interrupts = trainer(tmp_path, records["cut"], every), Interrupts()
    with pytest.raises(Interrupted):
        cut.run(Signalling(signals=Signals(interrupts=interrupts, steps=(3,))), interrupts, World(1, 2))
    torch.manual_seed(99)
    again = trainer(tmp_path, records["cut"], every)
    again.restore(cut.state())
    again.run(Quiet(), Interrupts(), World(1, 2))
    assert untimed(records["cut"]) == untimed(records["second"])
    assert untimed(records["first"]) != untimed(records["second"])


@pytest.mark.usefixtures("apart")
def test_only_the_first_process_saves(tmp_path: Path) -> None:
    for rank in (0, 1):
        trainer(tmp_path / str(rank), [], config(steps=2)).run(Quiet(), Interrupts(), World(rank, 2))
    assert [path.name for path in tmp_path.iterdir()] == ["0"]


@pytest.mark.usefixtures("apart")
def test_a_signal_of_another_process_stops_this_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    one = trainer(tmp_path, [], config(steps=6))
    monkeypatch.setattr(World, "largest", lambda _, number: max(number, 143 if one.step == 4 else 0))
    with pytest.raises(Interrupted) as error:
        one.run(Quiet(), Interrupts(), World(0, 2))
    assert error.value.exit_code == 143
    assert newest(tmp_path).step == 4
