"""Apply ``--set path=value`` to a recipe before it is checked."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ttf.requirements import component_sections
from ttf.source import Place, Problem, dotted, look_up, problems_error, shown
from ttf.yaml_source import read_text

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ttf.component import Component
    from ttf.requirements import Components
    from ttf.source import Keys, Source


def apply_option(source: Source, name: str, value: object, rank: int) -> None:
    """Put the value of the command-line option ``--name``, short for ``--set name=value``, into the source."""
    _apply(source, f"{name}={value}", f"--{name} {_printable(str(value))}", rank)


def apply_override(source: Source, override: str, rank: int) -> None:
    """Put the value of ``path=value`` into the source; missing sections are made, other problems noted.

    The value is YAML: ``decoder.beam_width=64``, ``reporters.0.kind=html``, ``data={kind: minari}``. In a list, an
    index may be one past the end.

    Raises:
        RecipeError: the value is not YAML.
    """
    _apply(source, override, label_of(override), rank)


def label_of(override: str) -> str:
    """What an override is called in messages."""
    return f"--set {_printable(override)}"


def _apply(source: Source, override: str, label: str, rank: int) -> None:
    place = Place(rank, 0, 0, label)
    path, equals, value = override.partition("=")
    names = path.strip().split(".")
    if not equals or not all(names):
        raise problems_error([*source.problems, Problem(place, "must be written as path=value")])
    _graft(source, names, value, place)


def _printable(text: str) -> str:
    return text if text.isprintable() and len(text) <= 200 else shown(text)


def _graft(source: Source, names: list[str], value: str, place: Place) -> None:
    if source.data is None:
        source.data = {}
    node: object = source.data
    at: Keys = ()
    for name in names[:-1]:
        key = _key(source, node, name, at, place)
        if key is None:
            return
        if look_up(node, (key,)) is None:
            _put(node, key, {})
            source.keys[*at, key] = source.values[*at, key] = place
        node, at = look_up(node, (key,)), (*at, key)
    key = _key(source, node, names[-1], at, place)
    if key is not None:
        at = (*at, key)
        fragment = read_text(value, lambda _line, _column: place, at)
        _put(node, key, fragment.data)
        _forget(source, at)
        source.keys[at] = place
        source.values |= {at: place} | fragment.values
        source.keys |= fragment.keys
        source.refused |= fragment.refused
        source.problems += fragment.problems


def _key(source: Source, node: object, name: str, at: Keys, place: Place) -> str | int | None:
    """The name as a key of the node: a field or an index; None, with a problem noted, if it cannot be one."""
    if isinstance(node, dict):
        return name
    if isinstance(node, list):
        if name.isdecimal() and int(name[:9]) <= len(node):
            return int(name)
        source.note(place, f"no item {shown(name)} in a list of {len(node)}", at)
    else:
        source.note(place, f"{dotted(at) or 'the recipe'} is not a section, so it has no {shown(name)}")
    return None


def _put(node: object, key: str | int, value: object) -> None:
    if isinstance(node, dict):
        node[key] = value
    elif isinstance(node, list) and isinstance(key, int):
        node[key : key + 1] = [value]


def _forget(source: Source, at: Keys) -> None:
    for places in (source.values, source.keys):
        for known in [known for known in places if known[: len(at)] == at]:
            del places[known]
    source.refused = {known for known in source.refused if known[: len(at)] != at}


def kinds(source: Source) -> dict[Keys, object]:
    """The kind of every component section, by its path."""
    return {at: look_up(source.data, (*at, "kind")) for _, at in component_sections(source.data)}


def drop_fields_of_other_kinds(source: Source, before: Mapping[Keys, object], components: Components) -> list[str]:
    """Where an override has changed a kind, drop what the file says of the former kind and the new one lacks.

    A field that neither kind has is a mistake, and stays; so does one that an override has set.

    Args:
        source: after all overrides.
        before: :func:`kinds` before them.
        components: the installed ones.

    Returns:
        A line for every section that fields were dropped from.
    """
    notes = []
    for slot, at in component_sections(source.data):
        section = look_up(source.data, at)
        if not isinstance(section, dict) or section.get("kind") == before.get(at):
            continue
        old, new = (_component(components[slot], kind) for kind in (before.get(at), section.get("kind")))
        own = [name for name in section if source.keys[*at, name].rank == 0 and (not old or name in old.model_fields)]
        dropped = [name for name in own if new and name not in new.model_fields]
        for name in dropped:
            del section[name]
            _forget(source, (*at, name))
        if dropped:
            label = source.place((*at, "kind")).label
            notes.append(f"{label}: dropped {', '.join(dropped)}; {section['kind']!r} has no such fields")
    return notes


def _component(components: Mapping[str, type[Component]], kind: object) -> type[Component] | None:
    return components.get(kind) if isinstance(kind, str) else None


def values_of(text: str) -> list[str]:
    """The values of a list such as ``8,32``; brackets and quotes hold together. None if one is missing.

    >>> values_of("{kind: uniform, bins: 50}, quantile")
    ['{kind: uniform, bins: 50}', 'quantile']
    """
    values, depth, quote = [""], 0, ""
    for character in text:
        if character == quote:
            quote = ""
        elif not quote and character in "'\"":
            quote = character
        elif not quote:
            depth += (character in "[{") - (character in "]}")
        if character == "," and not quote and depth == 0:
            values.append("")
        else:
            values[-1] += character
    stripped = [value.strip() for value in values]
    return stripped if all(stripped) else []
