"""Hash recorded episodes, so that a run can say which data it saw."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ttf.interfaces.data import Episode

__all__ = ["content_hash"]


def content_hash(episodes: Iterable[Episode]) -> str:
    """SHA-256 of every array and flag of the episodes, in order, as 64 hexadecimal digits."""
    digest = hashlib.sha256()
    for episode in episodes:
        digest.update(f"{episode.observations.shape}{episode.actions.shape}{episode.terminated}".encode())
        for values in (episode.observations, episode.actions, episode.rewards, episode.final_observation):
            digest.update(b"none" if values is None else np.ascontiguousarray(values, dtype="<f4").tobytes())
    return digest.hexdigest()
