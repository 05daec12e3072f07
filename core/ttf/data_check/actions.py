"""Actions: whether they are within the environment's bounds, at them, or far from them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ttf.data_check.report import Finding, listed, share

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from ttf.data_check.subject import Subject

BEYOND = 1e-3
"""How far beyond a bound, as a share of the range, an action may be: rounding to float32 is less."""

AT_BOUND = 0.5
"""Share of a dimension's actions at a bound from which on clipping decides what is recorded: most of what is to be
learned are then the same two tokens. In the shipped recipes' data it is at most 0.31."""

USED_RANGE = 0.05
"""Share of the bounds' range that actions should use. Units that are off by a factor (degrees for radians, normalised
actions for forces) are usually off by more than twenty; demonstrators that hardly act are rare."""


def actions(subject: Subject) -> Iterator[Finding]:
    """Actions as the environment bounds them; as the data itself does, where there is no environment."""
    bounded = _bounds(subject)
    if bounded is not None and subject.setting is not None:
        yield from _beyond(subject, subject.setting.id, *bounded)
        yield from _small(subject, subject.setting.id, *bounded)
    recorded = subject.actions
    low, high = bounded or (recorded.min(axis=0), recorded.max(axis=0))
    tolerance = BEYOND * (high - low)
    at = ((recorded <= low + tolerance) | (recorded >= high - tolerance)).mean(axis=0)
    varied = np.ptp(recorded, axis=0) > 0
    if (clipped := varied & (at > AT_BOUND)).any():
        yield Finding(
            "saturated-actions",
            "warning",
            f"{share(float(at[clipped].max()))} of the actions are at a bound",
            listed([f"actions[{i}]" for i in np.flatnonzero(clipped)]),
            "check their units; if they were clipped from far outside, record a policy that asks for less",
        )


def _bounds(subject: Subject) -> tuple[NDArray[np.float32], NDArray[np.float32]] | None:
    """Bounds (A,) of the environment, if all are finite."""
    setting = subject.setting
    if setting is None or not (np.isfinite(setting.low).all() and np.isfinite(setting.high).all()):
        return None
    return setting.low, setting.high


def _beyond(
    subject: Subject, environment: str, low: NDArray[np.float32], high: NDArray[np.float32]
) -> Iterator[Finding]:
    recorded, tolerance = subject.actions, BEYOND * (high - low)
    beyond = (recorded < low - tolerance) | (recorded > high + tolerance)
    if beyond.any():
        worst = int(np.argmax(np.maximum(low - recorded.min(axis=0), recorded.max(axis=0) - high)))
        found = f"{recorded[:, worst].min():.4g} to {recorded[:, worst].max():.4g}"
        yield Finding(
            "actions-out-of-bounds",
            "warning",
            f"{share(float(beyond.any(axis=1).mean()))} of the actions are beyond the bounds of {environment}: "
            f"actions[{worst}] goes from {found}, its bounds are {low[worst]:.4g} and {high[worst]:.4g}",
            listed([f"actions[{i}]" for i in np.flatnonzero(beyond.any(axis=0))]),
            "record what was carried out: clip as the environment does, or convert the units",
        )


def _small(
    subject: Subject, environment: str, low: NDArray[np.float32], high: NDArray[np.float32]
) -> Iterator[Finding]:
    used = np.ptp(subject.actions, axis=0) / (high - low)
    if (small := (used > 0) & (used < USED_RANGE)).any():
        yield Finding(
            "small-actions",
            "warning",
            f"actions use {share(float(used[small].min()))} of the range that {environment} allows",
            listed([f"actions[{i}]" for i in np.flatnonzero(small)]),
            "check their units: normalised actions must be recorded as the environment takes them",
        )
