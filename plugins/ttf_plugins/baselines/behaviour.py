"""The policy that made the data."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ttf.errors import DataError

if TYPE_CHECKING:
    from ttf.interfaces.data import DataSource
    from ttf.interfaces.policy import Policy


def behaviour_of(source: DataSource) -> Policy:
    """The policy that made the data.

    Raises:
        DataError: the data set cannot run it.
    """
    policy = source.behaviour()
    if policy is None:
        message = (
            f"baseline 'behaviour': data set {source.provenance.id!r} has episodes only, not the policy that made "
            "them, or keeps too little of the observation to run it; leave the baseline out"
        )
        raise DataError(message)
    return policy
