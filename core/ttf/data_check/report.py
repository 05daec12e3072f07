"""What a check of data found: findings that say what, where and what to do, and what the data set holds."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

Level: TypeAlias = Literal["error", "warning", "note"]

LEVELS: tuple[Level, ...] = ("error", "warning", "note")
"""From bad to harmless. An error: a run refuses the data, or nothing can be learned from it. A warning: a run goes
through, and will likely be worse than it could be. A note: good to know."""

NAMED = 5
"""Episodes or columns that are named in a finding; of the others it gives the count."""


@dataclass(frozen=True)
class Finding:
    """One thing to know about the data."""

    name: str
    """What kind of finding it is, for programs and for the page on own data."""

    level: Level
    what: str
    where: str
    advice: str


@dataclass(frozen=True)
class Column:
    """One column of a transition."""

    name: str
    low: float
    high: float
    mean: float
    deviation: float

    used_bins: int | None = None
    """Bins that hold values; None without a discretizer."""

    error: float | None = None
    """Mean error of decode(encode(x)) in percent of the standard deviation; None without a discretizer."""


@dataclass(frozen=True)
class Report:
    """What a data set holds, and what was found."""

    data: str
    """Name of the data set."""

    summary: Mapping[str, Any]
    columns: Sequence[Column]
    """Columns of a transition as a model sees it; none if no transition can be made."""

    findings: Sequence[Finding]
    """The worst first."""

    def count(self, level: Level) -> int:
        """Findings of a level."""
        return sum(finding.level == level for finding in self.findings)

    def as_json(self) -> dict[str, Any]:
        """The report as plain data."""
        return {
            "data": self.data,
            "summary": dict(self.summary),
            "columns": [asdict(column) for column in self.columns],
            "findings": [asdict(finding) for finding in self.findings],
        }


def ordered(findings: Sequence[Finding]) -> list[Finding]:
    """The worst first, else in the order given."""
    return sorted(findings, key=lambda finding: LEVELS.index(finding.level))


def listed(items: Sequence[object]) -> str:
    """The first few of some things, and how many more there are.

    >>> listed([1, 2, 3, 4, 5, 6, 7])
    '1, 2, 3, 4, 5 and 2 more'
    """
    first = ", ".join(str(item) for item in items[:NAMED])
    return first if len(items) <= NAMED else f"{first} and {len(items) - NAMED} more"


def named_episodes(numbers: Sequence[int]) -> str:
    """Some episodes by their numbers."""
    return f"episode{'' if len(numbers) == 1 else 's'} {listed(numbers)}"


def share(value: float) -> str:
    """A share in percent, with as many digits as say something."""
    return f"{value:.1%}" if 0 < value < 0.01 or 0.99 < value < 1 else f"{value:.0%}"
