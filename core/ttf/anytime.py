"""Plans that are made by a deadline."""

from __future__ import annotations

import math
import time
from collections import deque
from dataclasses import replace
from statistics import median
from typing import TYPE_CHECKING

import torch

from ttf.interfaces.decoder import Decoder

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from torch import Tensor

    from ttf.interfaces.decoder import Plan


KEPT = 20
"""Plans remembered; a width that was slow only for a while has its chance again after as many."""

COUNTED = 5
"""The last times of a beam width, whose median is what it is expected to take."""

MARGIN = 1.1
"""A search begins if there is time for so many times what it is expected to take."""


class AnytimeDecoder(Decoder):
    """Searches with the widest beam that there is time for, and then wider ones while there still is.

    The best plan that was found counts for each context. How long a width takes is known from plans before for as many
    contexts of the same length; where there are none, the narrowest search comes first. It is always finished, so that
    there always is a plan.

    Args:
        decoders: by beam width, the narrowest first.
        seconds: from the request to the plan.
        clock: tells the time in seconds.
    """

    def __init__(
        self, decoders: Mapping[int, Decoder], seconds: float, clock: Callable[[], float] = time.perf_counter
    ) -> None:
        self._decoders = decoders
        self._seconds = seconds
        self._clock = clock
        self._plans: dict[tuple[int, ...], deque[dict[int, float]]] = {}  # what widths took, by shape of the contexts

    def plan(self, context: Tensor, generator: torch.Generator, goal: Tensor | None = None) -> Plan:
        """Plan from contexts (B, n * D + O) int64; all of them by the deadline."""
        end = self._clock() + self._seconds
        plans = self._plans.setdefault(tuple(context.shape), deque(maxlen=KEPT))
        known = usual(plans)
        plans.append(taken := {})

        def search(width: int) -> Plan:
            began = self._clock()
            plan = self._decoders[width].plan(context, generator, goal)
            if plan.score.is_cuda:
                torch.cuda.synchronize(plan.score.device)
            now = self._clock()
            known[width] = taken[width] = now - began
            return replace(plan, reached=width, late=max(0.0, now - end))

        best = search(width := self._widest(known, 0, self._seconds) or min(self._decoders))
        while wider := self._widest(known, width, end - self._clock()):
            best, width = better(best, search(wider)), wider
        return best

    def _widest(self, known: Mapping[int, float], width: int, seconds: float) -> int | None:
        """The widest beam that there is time for, by the seconds known of others; wider than ``width``, just searched.

        What that one has just taken says more than what is known of wider ones from before.
        """
        fitting = []
        for wider in (other for other in self._decoders if known and other > width):
            feared = min(expected(wider, known), known[width] * wider / width if width else math.inf)
            fitting += [wider] if feared * MARGIN <= seconds else []
        return max(fitting, default=None)


def usual(plans: Sequence[Mapping[int, float]]) -> dict[int, float]:
    """What widths usually take, from what they took in some plans, the first of which was made first."""
    widths_ = {width for plan in plans for width in plan}
    return {width: median([plan[width] for plan in plans if width in plan][-COUNTED:]) for width in widths_}


def expected(width: int, known: Mapping[int, float]) -> float:
    """Seconds that a search is expected to take, from those of other widths, one of them no wider.

    What is known of the width itself counts; else the line through the narrowest and the widest of those below it, but
    no more than the proportion to the latter.
    """
    below = sorted(other for other in known if other <= width)
    first, last = below[0], below[-1]
    proportion = known[last] * width / last
    if first == last:
        return proportion
    slope = max(0.0, (known[last] - known[first]) / (last - first))
    return min(proportion, known[last] + slope * (width - last))


def better(one: Plan, other: Plan) -> Plan:
    """For each context, whichever plan has the higher score; the first where they are equal."""
    ahead = other.score > one.score
    each = ahead.view(-1, 1, 1)
    actions = None
    if one.actions is not None and other.actions is not None:
        actions = torch.where(each, other.actions, one.actions)
    tokens = torch.where(each, other.tokens, one.tokens)
    return replace(other, tokens=tokens, score=torch.where(ahead, other.score, one.score), actions=actions)


def widths(widest: int) -> list[int]:
    """Beam widths to try in turn: powers of two, and the widest."""
    return [width for width in (2**i for i in range(widest.bit_length())) if width < widest] + [widest]
