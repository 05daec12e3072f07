"""Plans that are made by a deadline."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING

import torch

from ttf.interfaces.decoder import Decoder

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from torch import Tensor

    from ttf.interfaces.decoder import Plan


class AnytimeDecoder(Decoder):
    """Searches with ever wider beams while time remains, and returns the best plan that was found for each context.

    The narrowest search is always finished. A wider one begins only if there is time for it, should it take as much
    longer than the one before as its beam is wider; so a plan is late only where that one alone takes too long.

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

    def plan(self, context: Tensor, generator: torch.Generator, goal: Tensor | None = None) -> Plan:
        """Plan from contexts (B, n * D + O) int64; all of them by the deadline."""
        end = self._clock() + self._seconds
        (width, narrowest), *others = self._decoders.items()
        best, now, took = self._timed(narrowest, width, context, generator, goal)
        for wider, decoder in others:
            if now + took * wider / width > end:
                break
            plan, now, took = self._timed(decoder, wider, context, generator, goal)
            best, width = better(best, plan), wider
        return best

    def _timed(
        self, decoder: Decoder, width: int, context: Tensor, generator: torch.Generator, goal: Tensor | None
    ) -> tuple[Plan, float, float]:
        """A plan, the time when it is there, and the seconds it took."""
        began = self._clock()
        plan = decoder.plan(context, generator, goal)
        if plan.score.is_cuda:
            torch.cuda.synchronize(plan.score.device)
        now = self._clock()
        return replace(plan, reached=width), now, now - began


def better(one: Plan, other: Plan) -> Plan:
    """For each context, whichever plan has the higher score; the first where they are equal."""
    ahead = other.score > one.score
    tokens = torch.where(ahead.view(-1, 1, 1), other.tokens, one.tokens)
    return replace(other, tokens=tokens, score=torch.where(ahead, other.score, one.score))


def widths(widest: int) -> list[int]:
    """Beam widths to try in turn: powers of two, and the widest."""
    return [width for width in (2**i for i in range(widest.bit_length())) if width < widest] + [widest]
