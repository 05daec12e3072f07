"""Independent random streams of a run, one per part, so that swapping a part shifts no other's numbers."""

from __future__ import annotations

import zlib

import numpy as np


def stream(seed: int, part: str) -> int:
    """A 63-bit seed for a part of the run that has ``seed``."""
    return int(seeds(seed, part, 1)[0])


def seeds(seed: int, part: str, count: int) -> list[int]:
    """``count`` independent 63-bit seeds for a part; a longer list starts with the shorter one."""
    sequence = np.random.SeedSequence([seed, zlib.crc32(part.encode())])
    return [int(word) >> 1 for word in sequence.generate_state(count, np.uint64)]
