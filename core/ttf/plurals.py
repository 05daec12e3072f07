"""Numbers of things, in words."""

from __future__ import annotations


def counted(number: int, one: str) -> str:
    """A number of things.

    >>> counted(1, "episode"), counted(1200, "episode")
    ('1 episode', '1,200 episodes')
    """
    return f"{number:,} {one}{'' if number == 1 else 's'}"
