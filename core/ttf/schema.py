"""The JSON Schema of recipes: it accepts and refuses what :func:`ttf.recipe.load` does."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from pydantic import create_model

from ttf.beam import BeamDecoderConfig, SearchDecoderConfig
from ttf.component import SLOTS
from ttf.recipe import narrowed_model
from ttf.requirements import ONCE, SECTION_REQUIRES

if TYPE_CHECKING:
    from ttf.component import Component
    from ttf.registry import Entry, Registry

#: A JSON Schema, or a part of one.
Schema = dict[str, Any]


def recipe_schema(registry: Registry) -> Schema:
    """The JSON Schema of the recipes that the installed components make possible."""
    classes = {
        slot: [_both_names(entry, registry) for entry in registry.entries if entry.slot == slot] for slot in SLOTS
    }
    schema = narrowed_model(classes).model_json_schema()
    for definition in schema["$defs"].values():
        if "kind" in definition["properties"]:
            definition["required"] = ["kind"]
    for name, section in schema["properties"].items():
        _tidy(section)
        if name in SLOTS and not classes[name]:
            schema["properties"][name] = {"maxItems": 0} if SLOTS[name][1] else False
    schema["allOf"] = [
        *_component_rules(registry),
        *_section_rules(),
        *_repetition_rules(registry),
        *_horizon_rules(registry),
        *_subgoal_rules(registry),
    ]
    return {"$schema": "https://json-schema.org/draft/2020-12/schema"} | schema


def _both_names(entry: Entry, registry: Registry) -> type[Component]:
    """The component with all the kinds that a recipe may call it by."""
    names = tuple(registry.names(entry))
    kind: Any = (Literal[names], names[0])  # a field definition; create_model is not typed for it
    component = entry.component
    return create_model(component.__name__, __base__=component, __doc__=component.__doc__, kind=kind)


def _tidy(section: Schema) -> None:
    if section.get("default", ...) is None:
        del section["default"]  # a section that is left out is not null
    section.pop("discriminator", None)
    section.get("items", {}).pop("discriminator", None)


def _component_rules(registry: Registry) -> list[Schema]:
    """One rule for all kinds of a slot that need the same sections."""
    kinds: dict[tuple[str, tuple[str, ...]], list[str]] = {}
    for entry in registry.entries:
        if entry.component.requires:
            kinds.setdefault((entry.slot, entry.component.requires), []).extend(registry.names(entry))
    return [_rule(_has_kind(slot, names), _all(needs)) for (slot, needs), names in kinds.items()]


def _has_kind(slot: str, kinds: list[str]) -> Schema:
    named = {"type": "object", "required": ["kind"], "properties": {"kind": {"enum": kinds}}}
    section = {"type": "array", "contains": named} if SLOTS[slot][1] else named
    return {"required": [slot], "properties": {slot: section}}


def _section_rules() -> list[Schema]:
    rules = [_rule({"required": [name]}, _all(needs)) for name, needs in SECTION_REQUIRES.items()]
    acting = {"anyOf": [_present("decoder"), _present("baselines")]}
    return [*rules, _rule({"required": ["evaluation"]}, acting)]


def _repetition_rules(registry: Registry) -> list[Schema]:
    """One rule for each component that may be listed once; editors that know no ``maxContains`` allow more."""
    offered = [entry for entry in registry.entries if entry.slot in ONCE]
    listed = [_has_kind(entry.slot, registry.names(entry)) for entry in offered]
    return [
        _rule(there, {"properties": {entry.slot: {**there["properties"][entry.slot], "maxContains": 1}}})
        for entry, there in zip(offered, listed, strict=True)
    ]


def _horizon_rules(registry: Registry) -> list[Schema]:
    """A model of single transitions, or of nothing but actions, is for horizons of 1."""
    context = {"type": "object", "required": ["context"], "properties": {"context": {"const": 1}}}
    single = {"required": ["model"], "properties": {"model": context}}
    weight = {"type": "object", "required": ["observation_weight"], "properties": {"observation_weight": {"const": 0}}}
    blind = {"required": ["training"], "properties": {"training": weight}}
    near = {"properties": {"horizon": {"const": 1}}, "required": ["horizon"]}
    far = {"anyOf": [single, blind]}
    decoders = _decoders(registry, SearchDecoderConfig)
    return [_rule({"allOf": [far, decoder]}, {"properties": {"decoder": near}}) for decoder in decoders]


def _subgoal_rules(registry: Registry) -> list[Schema]:
    """A temperature of subgoals is for data that has them."""
    warm = {"required": ["subgoal_temperature"], "properties": {"subgoal_temperature": {"type": "number"}}}
    leading = {"required": ["subgoal"], "properties": {"subgoal": {"type": "object"}}}
    decoders = _decoders(registry, BeamDecoderConfig)
    condition = {"properties": {"decoder": warm}}
    return [_rule({"allOf": [decoder, condition]}, {"properties": {"data": leading}}) for decoder in decoders]


def _decoders(registry: Registry, base: type[Component]) -> list[Schema]:
    """That the decoder is one of a base's, if there are any."""
    entries = [entry for entry in registry.entries if entry.slot == "decoder" and issubclass(entry.component, base)]
    names = [name for entry in entries for name in registry.names(entry)]
    return [_has_kind("decoder", names)] if names else []


def _rule(condition: Schema, consequence: Schema) -> Schema:
    return {"if": condition, "then": consequence}


def _all(sections: tuple[str, ...]) -> Schema:
    return {"allOf": [_present(section) for section in sections]}


def _present(section: str) -> Schema:
    if SLOTS.get(section, (None, False))[1]:
        return {"required": [section], "properties": {section: {"not": {"const": []}}}}
    return {"required": [section]}
