"""Several processes that train one model: how they meet, who waits for whom, and what they add up.

Only the first process does what a recipe says. The others wait until it trains, take their share of every batch, and
leave; docs/decisions/distributed.md says why.
"""

from __future__ import annotations

import os
import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, final

import torch
import torch.distributed as dist
from torch import Tensor
from torch.distributed.rendezvous import rendezvous

from ttf.device import resolve_device
from ttf.errors import LostProcessError, RecipeError, ResourceError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from torch import nn
    from torch.distributed.distributed_c10d import Store

PATIENCE = timedelta(minutes=30)
"""How long processes wait for each other within a training: while the first one saves, or a model is compiled."""

POLL = 0.2
"""Seconds between two looks at what the first process wants."""

LEAVING = 10.0
"""Seconds that processes wait for each other at the end."""

# What processes leave for each other in the store.
_TRAIN, _END, _FAILED = "train", "end", "failed"


@final
@dataclass(frozen=True)
class World:
    """The processes of a training. Alone, nothing is sent, and every method gives back what it was given."""

    rank: int = 0
    size: int = 1

    @property
    def is_first(self) -> bool:
        """Whether this is the process that writes and reports."""
        return self.rank == 0

    def share(self, count: int) -> slice:
        """Which of ``count`` windows are this process's: shares follow each other, and differ by one window at most."""
        return slice(count * self.rank // self.size, count * (self.rank + 1) // self.size)

    def sum(self, tensor: Tensor) -> Tensor:
        """The sum of everybody's tensors, in place."""
        if self.size > 1:
            with _all_there():
                dist.all_reduce(tensor)
        return tensor

    def total(self, number: float) -> float:
        """The sum of everybody's numbers."""
        return float(self.sum(torch.tensor(number, dtype=torch.float64)))

    def largest(self, number: int) -> int:
        """The largest of everybody's numbers."""
        if self.size == 1:
            return number
        found = torch.tensor(number)
        with _all_there():
            dist.all_reduce(found, dist.ReduceOp.MAX)
        return int(found)

    def wait(self) -> None:
        """Wait until everybody is here."""
        self.total(0.0)

    def first(self, tensor: Tensor) -> Tensor:
        """The first process's tensor, in place."""
        if self.size > 1:
            with _all_there():
                dist.broadcast(tensor, src=0)
        return tensor

    def tell(self, content: bytes = b"") -> bytes:
        """What the first process has to say."""
        length = int(self.first(torch.tensor(len(content))))
        text = bytearray(content) if self.is_first else bytearray(length)
        self.first(torch.frombuffer(text, dtype=torch.uint8))  # the tensor is the text's memory
        return bytes(text)

    def add_gradients(self, parameters: Iterable[nn.Parameter], loss: Tensor) -> Tensor:
        """Give every process the sum of all gradients, and return that of the losses; in one message."""
        if self.size == 1:
            return loss
        gradients = [parameter.grad for parameter in parameters if parameter.grad is not None]
        flat = self.sum(torch.cat([loss.view(1), *(gradient.flatten() for gradient in gradients)]))
        sizes = [gradient.numel() for gradient in gradients]
        for gradient, piece in zip(gradients, torch.split(flat[1:], sizes), strict=True):
            gradient.copy_(piece.view_as(gradient))
        return flat[0]


@contextmanager
def _all_there() -> Iterator[None]:
    """Within, what goes wrong means that a process has gone."""
    try:
        yield
    except RuntimeError as error:
        message = "another process of this training has ended"
        raise LostProcessError(message) from error


@final
class Company:
    """This process among those that were started together, before and after they train.

    Args:
        rank: which one it is.
        size: how many there are.
        local_rank: which one of its machine it is.
        store: where they leave each other word.
    """

    def __init__(self, rank: int, size: int, local_rank: int, store: Store) -> None:
        self.rank, self.size, self.local_rank = rank, size, local_rank
        self._store = store
        self._lost = False

    @classmethod
    def meet(cls) -> Company:
        """Find the others as torchrun's environment variables say.

        Raises:
            RecipeError: a variable is no number.
            ResourceError: the others cannot be reached.
        """
        for name in ("RANK", "WORLD_SIZE", "LOCAL_RANK", "MASTER_PORT"):
            if not os.environ.get(name, "0").isdecimal():
                message = f"environment variable {name}: must be a whole number, found {os.environ[name]!r}"
                raise RecipeError(message)
        try:
            store, rank, size = next(rendezvous("env://", timeout=timedelta(minutes=5)))
        except (RuntimeError, ValueError) as error:
            place = f"{os.environ['MASTER_ADDR']}:{os.environ['MASTER_PORT']}"
            message = f"the other processes cannot be reached at {place}: {str(error).splitlines()[0]}"
            raise ResourceError(message) from error
        return cls(rank, size, int(os.environ.get("LOCAL_RANK", "0")), store)

    def device(self, kind: str) -> torch.device:
        """The device of this process: every process of a machine has a GPU of its own.

        Raises:
            ResourceError: there is none for it.
        """
        return resolve_device(f"cuda:{self.local_rank}" if kind == "cuda" else kind)

    def summon(self, device: torch.device) -> None:
        """Let the others train with the first process.

        Raises:
            LostProcessError: one of them cannot.
        """
        self._store.set(_TRAIN, device.type)
        for rank in range(1, self.size):
            if self._wait_for(_FAILED, f"ready {rank}") == _FAILED:
                raise LostProcessError

    def summoned(self) -> torch.device | None:
        """Wait until the first process trains: the device of this one; None if it never will.

        Raises:
            LostProcessError: the first process has gone.
            ResourceError: there is no device.
        """
        if self._wait_for(_END, _TRAIN) == _END:
            return None
        device = self.device(self._store.get(_TRAIN).decode())
        self._store.set(f"ready {self.rank}", "")
        return device

    @contextmanager
    def joined(self, device: torch.device) -> Iterator[World]:
        """Within, the processes train together."""
        if device.type == "cuda":
            torch.cuda.set_device(device)
        backend = "cpu:gloo,cuda:nccl" if device.type == "cuda" else "gloo"
        with _all_there():
            dist.init_process_group(backend, store=self._store, rank=self.rank, world_size=self.size, timeout=PATIENCE)
        yield World(self.rank, self.size)
        dist.destroy_process_group()  # not after an error: that could wait for a process that has gone

    def dismiss(self, exit_code: int) -> None:
        """Let the others end, where they have not, with the exit code of the first process, and wait until they do."""
        with suppress(RuntimeError, TimeoutError, LostProcessError):  # if the store is no more, neither are they
            self._store.set(_END, str(exit_code))
            for rank in range(1, self.size):
                self._wait_for(f"left {rank}", seconds=0 if self._lost else LEAVING)

    def dismissed(self, otherwise: int) -> int:
        """The exit code that the first process wants; another one if it says none in time."""
        try:
            self._wait_for(_END, seconds=LEAVING)
            return int(self._store.get(_END))
        except (LostProcessError, TimeoutError):
            return otherwise

    def leave(self) -> None:
        """Let the first process know that this one ends."""
        with suppress(RuntimeError):
            self._store.set(f"left {self.rank}", "")

    def fail(self, text: str) -> None:
        """Let the first process say why this one ends; of several reasons the first one counts."""
        with suppress(RuntimeError):  # whoever held the store has ended
            self._store.compare_set(_FAILED, "", f"rank {self.rank} of {self.size}: {text}")

    def failure(self) -> str | None:
        """Why a process has ended, if one has said so."""
        with suppress(RuntimeError):
            if self._store.check([_FAILED]):
                return str(self._store.get(_FAILED).decode())
        return None

    def give_up(self) -> None:
        """Wait for nobody any more: one of the others has gone."""
        self._lost = True

    def _wait_for(self, *keys: str, seconds: float = float("inf")) -> str:
        """The first of some keys that is there. Signals are heeded while waiting."""
        end = time.monotonic() + seconds
        while True:
            with _all_there():
                for key in keys:
                    if self._store.check([key]):
                        return key
            if time.monotonic() > end:
                raise TimeoutError
            time.sleep(POLL)
