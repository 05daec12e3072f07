"""Check what no single section of a recipe can know: that its kinds are installed and its parts fit together."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ttf.beam import BeamDecoderConfig, SearchDecoderConfig
from ttf.component import SLOTS
from ttf.errors import did_you_mean
from ttf.source import dotted, look_up, shown

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from ttf.component import Component
    from ttf.recipe import Recipe
    from ttf.registry import Entry, Registry
    from ttf.source import Keys, Source

Components = dict[str, "Mapping[str, type[Component]]"]

#: What the sections that are not components need.
SECTION_REQUIRES = {"training": ("model",), "evaluation": ("environment",)}

#: The slots whose lists have a kind once at most: two reporters of a kind would write the same files.
ONCE = ("reporters",)


def check_kinds(source: Source, registry: Registry, components: Components) -> None:
    """Refuse every section that is no mapping with the kind of an installed component, and lists that are none."""
    for slot, section in source.data.items() if isinstance(source.data, dict) else ():
        if slot in SLOTS and SLOTS[slot][1] and not isinstance(section, list) and (slot,) not in source.refused:
            kind = section if section in registry.kinds(slot) else _example(registry, slot)
            source.refuse((slot,), f"must be a list such as [{{kind: {kind}}}], found {shown(section)}")
    for slot, at in component_sections(source.data):
        if any(at[:length] in source.refused for length in range(len(at) + 1)):
            continue
        section = look_up(source.data, at)
        known = f"; known: {', '.join(registry.kinds(slot)) or 'none'}"
        if not isinstance(section, dict):
            source.refuse(at, f"must be a mapping such as {{kind: {_example(registry, slot)}}}, found {shown(section)}")
        elif "kind" not in section:
            source.note(source.place(at), f"missing{known}", (*at, "kind"))
            source.refused.add(at)
        elif (*at, "kind") in source.refused:
            source.refused.add(at)
        elif not isinstance(section["kind"], str) or section["kind"] not in components[slot]:
            place = source.place((*at, "kind"))
            source.note(place, _unknown_kind(registry, slot, section["kind"]), (*at, "kind"))
            source.refused.add(at)


def _example(registry: Registry, slot: str) -> str:
    return next(iter(registry.kinds(slot)), "...")


def _unknown_kind(registry: Registry, slot: str, kind: object) -> str:
    if not isinstance(kind, str):
        return f"must be text, found {shown(kind)}; known: {', '.join(registry.kinds(slot)) or 'none'}"
    if shared := registry.shared(slot).get(kind):
        owners = " and ".join(entry.plugin.distribution for entry in shared)
        choices = " or ".join(repr(entry.qualified) for entry in shared)
        return f"{kind!r} is provided by {owners}; write {choices}"
    if reason := registry.why_missing(kind):
        return f"kind {kind!r} is not available: {reason}"
    broken = " and ".join(str(plugin) for plugin in registry.plugins if plugin.broken)
    missing = f"; not there is what {broken} would offer: see ttf plugins" if broken else ""
    if any(plugin.state == "disabled" for plugin in registry.plugins):
        missing += "; TTF_PLUGINS leaves plugins out"
    return f"unknown kind {shown(kind)}{did_you_mean(kind, registry.kinds(slot))}{missing}"


def check_requirements(source: Source, components: Components) -> None:
    """Note every section that lacks another section it needs."""
    data = source.data
    for slot, at in component_sections(data):
        section = look_up(data, at)
        kind = section.get("kind") if isinstance(section, dict) else None
        component = components[slot].get(kind) if isinstance(kind, str) else None
        for needed in component.requires if component else ():
            if not _present(data, needed):
                source.note(source.place((*at, "kind")), f"{slot} {kind!r} needs {_article(needed)} section")
    for name, needs in SECTION_REQUIRES.items():
        for needed in needs:
            if _present(data, name) and not _present(data, needed):
                source.note(source.keys[name,], f"{name} needs {_article(needed)} section")
    if _present(data, "evaluation") and not (_present(data, "decoder") or _present(data, "baselines")):
        source.note(source.keys["evaluation",], "evaluation needs a 'decoder' section or a baseline")


def check_repetitions(source: Source, registry: Registry) -> None:
    """Note every component that is listed again, under whichever of its names, where once is enough."""
    offered = [entry for entry in registry.entries if entry.slot in ONCE]
    seen: dict[Entry, Keys] = {}
    for slot, at in component_sections(source.data):
        kind = look_up(source.data, (*at, "kind"))
        for entry in offered:
            if entry.slot == slot and kind in registry.names(entry) and seen.setdefault(entry, at) != at:
                text = f"{kind!r} is listed already, as {dotted(seen[entry])}; once is enough"
                source.note(source.place((*at, "kind")), text, (*at, "kind"))


def check_horizon(source: Source, recipe: Recipe) -> None:
    """Note a horizon of several transitions for a model that is trained on single ones, or not on observations."""
    decoder, model, training = recipe.decoder, recipe.model, recipe.training
    if not isinstance(decoder, SearchDecoderConfig) or decoder.horizon == 1:
        return
    if model is not None and model.context == 1:
        why = "a model with model.context 1 predicts single transitions"
    elif training is not None and training.observation_weight == 0:
        why = "observations are not learned with training.observation_weight 0"
    else:
        return
    text = f"must be 1, as {why}, found {decoder.horizon}"
    source.note(source.place(("decoder", "horizon")), text, ("decoder", "horizon"))


def check_subgoals(source: Source, recipe: Recipe) -> None:
    """Note a temperature of subgoals where there are none."""
    decoder = recipe.decoder
    if isinstance(decoder, BeamDecoderConfig) and decoder.subgoal_temperature is not None and not recipe.data.subgoal:
        at = ("decoder", "subgoal_temperature")
        text = f"must be null without data.subgoal, as no subgoals are planned, found {decoder.subgoal_temperature:g}"
        source.note(source.place(at), text, at)


def component_sections(data: object) -> Iterator[tuple[str, Keys]]:
    """The slot and the path of every component of a recipe's data."""
    for slot, (_, several) in SLOTS.items():
        if not isinstance(data, dict) or slot not in data:
            continue
        if not several:
            yield slot, (slot,)
        elif isinstance(data[slot], list):
            for index in range(len(data[slot])):
                yield slot, (slot, index)


def _present(data: object, section: str) -> bool:
    return isinstance(data, dict) and section in data and data[section] != []


def _article(section: str) -> str:
    return f"{'an' if section[0] in 'aeiou' else 'a'} {section!r}"
