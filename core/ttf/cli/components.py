"""ttf components: what recipes may name, with every option."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import click

from ttf.cli.kinds import KindsCommand
from ttf.errors import RecipeError, did_you_mean

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

    from ttf.registry import Entry, Registry
    from ttf.section import Section

EPILOG = """\b
Examples:
  ttf components                      all slots and kinds
  ttf components decoder              the options of every decoder
  ttf components discretizer.quantile
  ttf components --json | jq .model
"""


def complete_components(
    _context: click.Context, _parameter: click.Parameter, incomplete: str
) -> list[str | CompletionItem]:
    """Completions of SLOT[.KIND]."""
    from ttf.component import SLOTS
    from ttf.registry import load_registry

    registry = load_registry()
    names = [name for slot in SLOTS for name in (slot, *(f"{slot}.{kind}" for kind in registry.kinds(slot)))]
    return [name for name in names if name.startswith(incomplete)]


@click.command(cls=KindsCommand, epilog=EPILOG)
@click.argument("name", metavar="[SLOT[.KIND]]", required=False, shell_complete=complete_components)
@click.option("--json", "as_json", is_flag=True, help="Print JSON: slot, kind, then fields as JSON Schema.")
def components(name: str | None, *, as_json: bool) -> None:
    """Show what recipes may name, with every option."""
    from ttf.registry import load_registry

    registry = load_registry()
    entries = _selected(registry, name)
    if as_json:
        click.echo(json.dumps(_as_json(registry, entries), indent=2))
    elif not entries:
        left_out = any(plugin.state == "disabled" for plugin in registry.plugins)
        click.echo(f"no kinds{'; TTF_PLUGINS leaves plugins out' if left_out else ' are installed'}", err=True)
    elif name is None:
        _print_overview(registry, entries)
    else:
        for entry in entries:
            _print_entry(registry, entry)


def _selected(registry: Registry, name: str | None) -> list[Entry]:
    from ttf.component import SLOTS

    slot, _, kind = (name or "").partition(".")
    if slot and slot not in SLOTS:
        message = f"unknown slot {slot!r}{did_you_mean(slot, SLOTS)}"
        raise RecipeError(message)
    entries = [entry for entry in registry.entries if slot in ("", entry.slot)]
    chosen = [entry for entry in entries if kind in ("", entry.kind, entry.qualified)]
    if kind and not chosen:
        reason, hint = registry.why_missing(kind), did_you_mean(kind, registry.kinds(slot))
        message = f"kind {kind!r} is not available: {reason}" if reason else f"unknown kind {kind!r} of {slot!r}{hint}"
        raise RecipeError(message)
    order = list(SLOTS)
    return sorted(chosen, key=lambda entry: (order.index(entry.slot), registry.names(entry)[0]))


def _as_json(registry: Registry, entries: list[Entry]) -> dict[str, dict[str, Any]]:
    document: dict[str, dict[str, Any]] = {}
    for entry in entries:
        document.setdefault(entry.slot, {})[registry.names(entry)[0]] = {
            "distribution": entry.plugin.distribution,
            "version": entry.plugin.version,
            "summary": _sentence(entry),
            "requires": list(entry.component.requires),
            "fields": _fields(entry),
        }
    return document


def _print_overview(registry: Registry, entries: list[Entry]) -> None:
    slot = None
    for entry in entries:
        if entry.slot != slot:
            slot = entry.slot
            click.secho(slot, bold=True)
        click.echo(f"  {registry.names(entry)[0]:<22}{_sentence(entry)}")


def _print_entry(registry: Registry, entry: Entry) -> None:
    click.secho(f"{entry.slot}.{registry.names(entry)[0]}", bold=True, nl=False)
    click.echo(f"  ({entry.plugin.distribution} {entry.plugin.version})")
    click.echo(f"  {_sentence(entry)}")
    if entry.component.requires:
        click.echo(f"  Needs: {', '.join(entry.component.requires)}.")
    for name, schema in _fields(entry).items():
        default = json.dumps(schema.get("default"))
        click.echo(f"\n  {click.style(name, bold=True)}: {allowed(schema)}; default {default}")
        click.echo(f"    {' '.join(schema.get('description', '').split())}")
    click.echo()


def _sentence(entry: Entry) -> str:
    return " ".join((entry.component.__doc__ or "").split("\n\n", maxsplit=1)[0].split())


def _fields(entry: Entry) -> dict[str, Any]:
    return {name: schema for name, schema in described(entry.component).items() if name != "kind"}


def described(section: type[Section]) -> dict[str, dict[str, Any]]:
    """The JSON Schema of every field; those of a section inside it are called ``name.field``."""
    schema = section.model_json_schema()
    found: dict[str, dict[str, Any]] = {}
    for name, field in schema["properties"].items():
        found[name] = field
        for option in field.get("anyOf", [field]):
            if "$ref" in option:
                inner = schema["$defs"][option["$ref"].rpartition("/")[2]]
                found |= {f"{name}.{key}": value for key, value in inner["properties"].items()}
    return found


def allowed(schema: dict[str, Any]) -> str:
    """In words, what values a field may have, from its JSON Schema."""
    if "anyOf" in schema:
        return " or ".join(allowed(option) for option in schema["anyOf"])
    if "enum" in schema or "const" in schema:
        return " | ".join(map(str, schema.get("enum", [schema.get("const")])))
    kind = "mapping" if "$ref" in schema else str(schema.get("type", "any value"))
    signs = {"minimum": ">=", "exclusiveMinimum": ">", "maximum": "<=", "exclusiveMaximum": "<"}
    bounds = [f"{sign} {schema[bound]}" for bound, sign in signs.items() if bound in schema]
    if "items" in schema:
        kind = f"list of {allowed(schema['items'])}"
    return f"{kind} {', '.join(bounds)}".strip()
