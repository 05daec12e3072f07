"""Check an observation rule and actions against Gymnasium's spaces, before anything is flattened."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from gymnasium import spaces

from ttf.errors import DataError, did_you_mean

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ttf.observations import ObservationRule


def observation_width(rule: ObservationRule, space: spaces.Space[Any]) -> int:
    """Length of the vectors that the rule makes of the space's observations.

    Raises:
        DataError: the rule names an entry or a dimension that does not exist, or an entry is not a vector.
    """
    labels = _labels(rule, space)
    try:
        return int(rule.flatten(labels).shape[-1])
    except IndexError:
        everything = sum(part.size for part in labels.values()) if isinstance(labels, dict) else labels.size
        message = (
            f"observation_dims: {max(rule.dims or ())} is out of range; an observation has {everything} dimensions"
        )
        raise DataError(message) from None


def action_width(space: spaces.Space[Any]) -> int:
    """Number of action dimensions.

    Raises:
        DataError: actions are not vectors.
    """
    if not isinstance(space, spaces.Box) or len(space.shape) != 1:
        message = f"actions are {space}; only vectors (Box spaces of one axis) can be planned"
        raise DataError(message)
    return space.shape[0]


def columns(
    rule: ObservationRule, space: spaces.Space[Any], entry: str, dimensions: Sequence[int]
) -> tuple[int, ...] | None:
    """Where a vector holds these dimensions of a Dict observation's entry; None if it lacks one of them."""
    labels = _labels(rule, space)
    if not isinstance(labels, dict) or entry not in labels:
        return None
    vector = rule.flatten(labels).tolist()
    wanted = labels[entry][list(dimensions)].tolist()
    return tuple(vector.index(label) for label in wanted) if set(wanted) <= set(vector) else None


def _labels(rule: ObservationRule, space: spaces.Space[Any]) -> Any:  # noqa: ANN401  (an array or a dict of them)
    """An observation whose values are all different, so that they can be found again once flattened."""
    if not isinstance(space, spaces.Dict):
        if rule.keys is not None:
            message = f"observation_keys: observations are {space}, without entries"
            raise DataError(message)
        return np.arange(_length("observations", space))
    labels, start = {}, 0
    for key in _keys(rule, space):
        length = _length(f"entries {key!r} of the observations", space[key])
        labels[key] = np.arange(start, start + length)
        start += length
    return labels


def _keys(rule: ObservationRule, space: spaces.Dict) -> Sequence[str]:
    for key in rule.keys or ():
        if key not in space.spaces:
            message = f"observation_keys: unknown entry {key!r}{did_you_mean(key, space.spaces)}"
            raise DataError(message)
    return rule.keys if rule.keys is not None else sorted(space.spaces)


def _length(what: str, space: spaces.Space[Any]) -> int:
    if not isinstance(space, spaces.Box) or len(space.shape) != 1:
        message = f"{what} are {space}; only vectors (Box spaces of one axis) can be flattened"
        raise DataError(message)
    return space.shape[0]
