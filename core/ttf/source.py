"""Source: plain data that remembers where everything stood, and what was wrong with it."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from ttf.errors import RecipeError

if TYPE_CHECKING:
    from collections.abc import Iterable

#: Where a value sits in a recipe: names of fields and indices of lists.
Keys: TypeAlias = tuple[str | int, ...]


#: What is listed of a recipe that is nonsense all over.
MAX_PROBLEMS = 50


class Place(NamedTuple):
    """Where something was written; places sort by file position, overrides after the file."""

    rank: int
    line: int
    column: int
    label: str


class Problem(NamedTuple):
    """One thing wrong with a recipe."""

    place: Place
    text: str


@dataclass
class Source:
    """Plain data, the place of every key and value in it, and what was wrong already."""

    start: Place
    data: object = None
    values: dict[Keys, Place] = field(default_factory=dict)
    keys: dict[Keys, Place] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)
    refused: set[Keys] = field(default_factory=set)
    """What has a problem, so that its value (None) means nothing."""

    def refuse(self, at: Keys, problem: str, place: Place | None = None) -> None:
        """Note a problem with the value at ``at``; nothing else will be said about it."""
        self.refused.add(at)
        self.note(place or self.place(at), problem, at)

    def note(self, place: Place, problem: str, at: Keys = ()) -> None:
        """Note a problem, with the path of what it is about."""
        self.problems.append(Problem(place, f"{dotted(at)}: {problem}" if at else problem))

    def place(self, at: Keys) -> Place:
        """The place of the nearest thing at or above ``at``: a scalar itself, else its key."""
        by_key = isinstance(look_up(self.data, at), dict | list | None)
        for length in range(len(at), 0, -1):
            first, second = (self.keys, self.values) if by_key else (self.values, self.keys)
            if place := first.get(at[:length]) or second.get(at[:length]):
                return place
        return self.start

    def raise_problems(self) -> None:
        """Raise all problems at once, sorted by place.

        Raises:
            RecipeError: there is a problem.
        """
        if self.problems:
            raise problems_error(self.problems)


def problems_error(problems: Iterable[Problem]) -> RecipeError:
    """One error for all problems, a line each, sorted by place."""
    lines = [f"{problem.place.label}: {problem.text}" for problem in sorted(set(problems))]
    rest = [f"... and {len(lines) - MAX_PROBLEMS} more problems"] if len(lines) > MAX_PROBLEMS else []
    return RecipeError("\n".join([*lines[:MAX_PROBLEMS], *rest]))


def dotted(at: Keys) -> str:
    """The path as in ``reporters.0.kind``; unusual names are quoted."""
    return ".".join(str(key) if re.fullmatch(r"[\w-]+", str(key)) else shown(key) for key in at)


def shown(value: object) -> str:
    """A value as it appears in a message: on one line, and short."""
    names: tuple[tuple[type, str], ...] = ((dict, "a mapping"), (list, "a list"), (type(None), "nothing"))
    for kind, name in names:
        if isinstance(value, kind):
            return name
    if isinstance(value, bool):
        return str(value).lower()
    text = ascii(value) if isinstance(value, str) and not value.isprintable() else repr(value)
    return text if len(text) <= 60 else f"{text[:50]}...{text[-7:]}"


def look_up(data: object, at: Keys) -> object:
    """The value at a path, None where there is none."""
    for key in at:
        if isinstance(data, dict):
            data = data.get(key)
        elif isinstance(data, list) and isinstance(key, int) and 0 <= key < len(data):
            data = data[key]
        else:
            return None
    return data
