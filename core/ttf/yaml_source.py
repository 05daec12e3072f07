"""Read YAML into a Source, refusing what a recipe has no use for."""

from __future__ import annotations

import math
import re
import stat
from typing import TYPE_CHECKING

from ttf.errors import RecipeError
from ttf.source import Place, Problem, Source, problems_error, shown

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

    from ruamel.yaml.error import YAMLError
    from ruamel.yaml.events import Event, NodeEvent, ScalarEvent

    from ttf.source import Keys

MAX_BYTES = 256 * 1024
MAX_DEPTH = 32
MAX_VALUES = 10_000

# The scalars of YAML 1.2's core schema; everything else is text.
_NULL = re.compile(r"|~|null|Null|NULL")
_BOOL = re.compile(r"true|True|TRUE|false|False|FALSE")
_INTEGER = re.compile(r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_NOT_FINITE = re.compile(r"[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)")
# Dates in YAML 1.1, text in 1.2: what an editor shows and what is read could differ.
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}([Tt ].*)?")
# The scanner would look a thousand brackets ahead, in quadratic time.
_TOO_DEEP = re.compile(r"([\[{]\s*){33}")
_NOT_TEXT = re.compile("[\x00-\x08\x0b-\x1f\x7f\ud800-\udfff]")


def read_file(path: Path) -> Source:
    """Read a YAML file of at most 256 KiB.

    Raises:
        RecipeError: it is no readable UTF-8 file, or cannot be parsed at all; lesser problems are in the source.
    """

    def place(line: int, column: int) -> Place:
        return Place(0, line, column, f"{path}:{line}:{column}")

    raw = _read_bytes(path)
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        column = error.start - raw.rfind(b"\n", 0, error.start)
        message = f"{path}:{line}:{column}: not UTF-8: byte 0x{raw[error.start]:02x}"
        raise RecipeError(message) from error
    return read_text(text, place)


def _read_bytes(path: Path) -> bytes:
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            what = "is a directory" if path.is_dir() else "is not a regular file"
            message = f"{path}: {what}; expected a recipe file"
            raise RecipeError(message)
        with path.open("rb") as file:
            raw = file.read(MAX_BYTES + 1)
    except (OSError, ValueError) as error:  # ValueError: a NUL in the name
        reason = "no such file" if isinstance(error, FileNotFoundError) else getattr(error, "strerror", None) or error
        message = f"{_printable(path)}: {reason}"
        raise RecipeError(message) from error
    if len(raw) > MAX_BYTES:
        message = f"{path}: larger than 256 KiB; a recipe is a small file"
        raise RecipeError(message)
    return raw


def _printable(path: Path) -> str:
    name = str(path)
    return name if name.isprintable() and len(name) <= 300 else shown(name)


def read_text(text: str, place: Callable[[int, int], Place], at: Keys = ()) -> Source:
    """Read YAML text that stands for the value at ``at``; ``place`` names a line and a column, counted from 1.

    Raises:
        RecipeError: the text cannot be parsed; lesser problems are in the source.
    """
    from ruamel.yaml import YAML
    from ruamel.yaml.error import YAMLError

    if brackets := _TOO_DEEP.search(text):
        line, column = _position(text, brackets.start())
        raise problems_error([Problem(place(line, column), f"nested deeper than {MAX_DEPTH} levels")])
    try:
        return _Reader(YAML(typ="safe", pure=True).parse(text), place).read(at)
    except YAMLError as error:
        raise _syntax_error(error, text, place) from error


def _syntax_error(error: YAMLError, text: str, place: Callable[[int, int], Place]) -> RecipeError:
    mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
    position = getattr(error, "position", None)
    if mark is not None:
        line, column = mark.line + 1, mark.column + 1
    elif isinstance(position, int):
        line, column = _position(text, position)
    else:
        line, column = 1, 1
    reason = getattr(error, "problem", None) or getattr(error, "reason", None) or "cannot be parsed"
    return problems_error([Problem(place(line, column), f"not YAML: {' '.join(str(reason).split())}")])


def _position(text: str, offset: int) -> tuple[int, int]:
    return text.count("\n", 0, offset) + 1, offset - text.rfind("\n", 0, offset)


class _Reader:
    """Turns parse events into a Source, without ever building a YAML object."""

    def __init__(self, events: Iterable[Event], place: Callable[[int, int], Place]) -> None:
        self.events = iter(events)
        self.place = place
        self.source = Source(place(1, 1))

    def read(self, at: Keys) -> Source:
        from ruamel.yaml.events import DocumentEndEvent, DocumentStartEvent, StreamEndEvent, StreamStartEvent

        for event in self.events:
            if isinstance(event, DocumentStartEvent):
                self._start(event)
            elif not isinstance(event, StreamStartEvent | StreamEndEvent | DocumentEndEvent):
                self.source.data = self._value(event, at)
        return self.source

    def _start(self, event: Event) -> None:
        if self.source.values:
            raise self._fatal(event, "a second document starts here; a recipe is one document")
        if getattr(event, "version", None) or getattr(event, "tags", None):
            raise self._fatal(event, "directives are not allowed")

    def _value(self, event: Event, at: Keys) -> object:
        from ruamel.yaml.events import AliasEvent, NodeEvent, ScalarEvent, SequenceStartEvent

        self.source.values[at] = self._at(event)
        if len(self.source.values) > MAX_VALUES:
            raise self._fatal(event, f"more than {MAX_VALUES} values; a recipe is a small file")
        if isinstance(event, AliasEvent):
            return self._refuse(event, at, "aliases are not allowed; write the value out")
        if isinstance(event, NodeEvent):
            self._check_properties(event, at)
        if isinstance(event, ScalarEvent):
            return self._scalar(event, at)
        if len(at) >= MAX_DEPTH:
            raise self._fatal(event, f"nested deeper than {MAX_DEPTH} levels")
        if isinstance(event, SequenceStartEvent):
            return [self._value(item, (*at, index)) for index, item in enumerate(self._until_end())]
        return self._mapping(at)

    def _check_properties(self, event: NodeEvent, at: Keys) -> None:
        if event.anchor is not None:
            self._refuse(event, at, "anchors are not allowed")
        if getattr(event, "tag", None) is not None:
            self._refuse(event, at, "tags are not allowed")

    def _mapping(self, at: Keys) -> dict[str, object]:
        mapping: dict[str, object] = {}
        for event in self._until_end():
            place = self._at(event)
            key = self._value(event, (*at, "?"))
            if not isinstance(key, str):
                self.source.note(place, f"a key must be text, found {shown(key)}", at)
                self._value(next(self.events), (*at, "?"))
                continue
            if key in mapping:
                line = self.source.keys[*at, key].line
                first = f", first on line {line}" if line else ""
                self.source.refuse((*at, key), f"duplicate key{first}", place)
                self._value(next(self.events), (*at, "?"))
                continue
            self.source.keys[*at, key] = place
            mapping[key] = self._value(next(self.events), (*at, key))
        return mapping

    def _until_end(self) -> Iterator[Event]:
        from ruamel.yaml.events import MappingEndEvent, SequenceEndEvent

        for event in self.events:
            if isinstance(event, MappingEndEvent | SequenceEndEvent):
                return
            yield event

    def _scalar(self, event: ScalarEvent, at: Keys) -> object:
        text = event.value
        if not event.implicit[0]:  # quoted, or a block of text
            return self._text(event, at)
        if _NULL.fullmatch(text):
            return None
        if _BOOL.fullmatch(text):
            return text.lower() == "true"
        if _INTEGER.fullmatch(text):
            return self._integer(event, at)
        if _FLOAT.fullmatch(text):
            return self._float(event, at)
        if _NOT_FINITE.fullmatch(text):
            return self._refuse(event, at, f"must be a finite number, found {text}")
        if _DATE.fullmatch(text):
            return self._refuse(event, at, f"dates are not allowed; quote {text} to mean text")
        return self._text(event, at)

    def _text(self, event: ScalarEvent, at: Keys) -> object:
        if _NOT_TEXT.search(event.value):
            return self._refuse(event, at, "control characters are not allowed")
        return event.value

    def _integer(self, event: ScalarEvent, at: Keys) -> object:
        if len(event.value) > 100:
            return self._refuse(event, at, f"a number of {len(event.value)} digits is too long")
        base = {"0o": 8, "0x": 16}.get(event.value[:2], 10)
        return int(event.value, base)

    def _float(self, event: ScalarEvent, at: Keys) -> object:
        number = float(event.value)
        if not math.isfinite(number):
            return self._refuse(event, at, f"must be a finite number, found {shown(event.value)[1:-1]}")
        # As in JSON Schema, 1e5 and 100.0 are whole numbers.
        return int(number) if number.is_integer() and abs(number) < 2**53 else number

    def _refuse(self, event: Event, at: Keys, problem: str) -> object:
        """Note the problem; the value is None."""
        self.source.refuse(at, problem, self._at(event))
        return None

    def _fatal(self, event: Event, problem: str) -> RecipeError:
        return problems_error([*self.source.problems, Problem(self._at(event), problem)])

    def _at(self, event: Event) -> Place:
        mark = event.start_mark
        return self.place(mark.line + 1, mark.column + 1)
