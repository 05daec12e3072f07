"""Plans whose kernels are recorded once and replayed (CUDA graphs), so that a GPU does not wait for Python."""

from __future__ import annotations

import warnings
from collections import Counter
from typing import TYPE_CHECKING, Any

import torch

from ttf.errors import reason
from ttf.interfaces.decoder import Plan

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from torch import Tensor

    Search = Callable[..., Plan]
    """Plans from tensors, by the same kernels whatever they hold; an input that is not there is None."""

COMES = 3
"""Plans of a shape after which it is recorded, which takes about as long as two."""

KEPT = 16
"""Recordings kept; evaluation needs one for every number of episodes that are still going on."""


class Recorder:
    """Records searches on a GPU. Recordings share their memory, so only one at a time may be replayed."""

    def __init__(self) -> None:
        self._pool: Any = None  # torch's own type for it is private

    def __call__(self, search: Search, inputs: Sequence[Tensor | None]) -> Search:
        """Record a search; what is returned takes inputs of the same shapes.

        Raises:
            RuntimeError: it cannot be recorded, as it waits for the GPU, or memory is short.
        """
        held = [None if given is None else given.clone() for given in inputs]
        with torch.cuda.device(next(given.device for given in held if given is not None)):
            beside = torch.cuda.Stream()  # type: ignore[no-untyped-call]  # torch leaves it untyped
            beside.wait_stream(torch.cuda.current_stream())
            with torch.cuda.stream(beside):  # what libraries set up in their first call cannot be recorded
                search(*held)
            torch.cuda.current_stream().wait_stream(beside)
            self._pool = self._pool or torch.cuda.graph_pool_handle()
            graph, current = torch.cuda.CUDAGraph(), torch.cuda.current_stream()
            try:
                with torch.cuda.graph(graph, self._pool):
                    plan = search(*held)
            finally:
                torch.cuda.set_stream(current)  # torch stays on its own one if a recording fails

        def replay(*inputs: Tensor | None) -> Plan:
            for place, given in zip(held, inputs, strict=True):
                if place is not None and given is not None:
                    place.copy_(given)
            graph.replay()
            return Plan(plan.tokens.clone(), plan.score.clone())

        return replay


class Captured:
    """A search, recorded for every shape of inputs that comes more than a few times.

    Args:
        search: is asked until there is a recording, and where there can be none.
        static: makes the same plans and asks no tensor for its values, as that would have to wait: what is recorded.
        record: makes a recording, from a search and the inputs it is about to be given.
    """

    def __init__(
        self, search: Search, static: Search, record: Callable[[Search, Sequence[Tensor | None]], Search]
    ) -> None:
        self._search, self._static, self._record = search, static, record
        self._came: Counter[tuple[object, ...]] = Counter()
        self._recorded: dict[tuple[object, ...], Search] = {}  # the one used last is the last
        self._refused = False

    def __call__(self, *inputs: Tensor | None) -> Plan:
        """The plan, made as it is until it has been recorded, or if it cannot be; a warning then says why."""
        shapes = tuple(None if given is None else (given.shape, given.dtype) for given in inputs)
        self._came[shapes] += 1
        if shapes not in self._recorded and self._came[shapes] > COMES and not self._refused:
            try:
                self._recorded[shapes] = self._record(self._static, inputs)
            except RuntimeError as error:
                self._refused = True
                message = f"plans are made without a CUDA graph, as they cannot be recorded: {reason(error)}"
                warnings.warn(message, RuntimeWarning, stacklevel=2)
        if shapes not in self._recorded:
            return self._search(*inputs)
        replay = self._recorded[shapes] = self._recorded.pop(shapes)
        if len(self._recorded) > KEPT:
            del self._recorded[next(iter(self._recorded))]
        return replay(*inputs)
