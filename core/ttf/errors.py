"""Every error a user can cause, each with the exit code the command line ends with.

TtfError
├── RecipeError     2   a recipe or an option is wrong
├── DataError       3   a data set is missing, malformed or unusable
├── PluginError     4   a plugin cannot be loaded or breaks its contract
├── DivergedError   5   training produced a loss that is not finite
└── ResourceError   6   disk, memory or a device is missing
    ├── CheckpointError   a checkpoint is corrupt or does not fit
    └── LostProcessError  another process of the same training has ended

Interrupted (130, 143 or 129: SIGINT, SIGTERM or SIGHUP) is no error, and is not caught with them.
"""

from __future__ import annotations

from difflib import get_close_matches
from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = [
    "CheckpointError",
    "DataError",
    "DivergedError",
    "Interrupted",
    "PluginError",
    "RecipeError",
    "ResourceError",
    "TtfError",
    "did_you_mean",
    "reason",
]


class TtfError(Exception):
    """A mistake or a mishap that is reported in one line, without a traceback."""

    exit_code: ClassVar[int] = 1


class RecipeError(TtfError):
    """A recipe, an override or a command-line value is wrong."""

    exit_code = 2


class DataError(TtfError):
    """A data set is missing, malformed or cannot be learned from."""

    exit_code = 3


class PluginError(TtfError):
    """A plugin cannot be loaded, or a component breaks its contract."""

    exit_code = 4


class DivergedError(TtfError):
    """Training produced a loss or a gradient that is not finite."""

    exit_code = 5


class ResourceError(TtfError):
    """A file, a disk, memory or a device that the run needs is not to be had."""

    exit_code = 6


class CheckpointError(ResourceError):
    """A checkpoint is missing, corrupt or made for something else."""


class LostProcessError(ResourceError):
    """Another process of the same training has ended, and this one cannot go on without."""


class Interrupted(BaseException):
    """A signal ended the run; what was finished is saved.

    Not an Exception: it is raised in the middle of anything, also of code that carries on after any Exception.

    Args:
        exit_code: 130 for SIGINT, 143 for SIGTERM, 129 for SIGHUP.
        advice: how to get what is missing.
    """

    def __init__(self, exit_code: int, advice: str = "continue with --resume") -> None:
        super().__init__(f"interrupted; {advice}")
        self.exit_code = exit_code


def reason(error: BaseException) -> str:
    """The first line of an error's text, with its type where the text alone says little."""
    text = str(error).strip().split("\n", 1)[0]
    if not text:
        return type(error).__name__
    return f"{type(error).__name__}: {text}" if isinstance(error, KeyError) else text


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Say which known word is nearest, for the tail of an error message.

    >>> did_you_mean("quantil", ["quantile", "uniform"])
    "; did you mean 'quantile'?; known: quantile, uniform"
    """
    options = sorted(known)
    close = get_close_matches(word, options, n=1) or _close_in_part(word, options)
    hint = f"; did you mean {close[0]!r}?" if close else ""
    return f"{hint}; known: {', '.join(options) or 'none'}"


def _close_in_part(word: str, options: list[str]) -> list[str]:
    """The option that has a word such as the ``width`` of ``beam_width`` close to this one, if there is one."""
    parts = {part: option for option in options for part in option.split("_") if len(part) > 3}
    return [parts[part] for part in get_close_matches(word, parts, n=1, cutoff=0.75)]
