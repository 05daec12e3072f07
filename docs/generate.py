"""Write what the documentation says about recipes and commands, from the code: ``generate.py [--check]``."""

from __future__ import annotations

import json
import os
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ttf.cli.components import allowed, described
from ttf.cli.group import Settings, make_cli
from ttf.component import SLOTS
from ttf.recipe import Recipe
from ttf.registry import load_registry
from ttf.schema import recipe_schema
from ttf.sections import EvaluationConfig, TrainingConfig

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from ttf.registry import Entry, Registry
    from ttf.section import Section

ROOT = Path(__file__).parents[1]
NOTE = "<!-- Written by docs/generate.py; do not edit. -->\n\n"
TABLE = re.compile(r"(?<=<!-- components -->\n).*?(?=<!-- /components -->)", re.DOTALL)


def generated() -> dict[Path, str]:
    """The content of every generated file."""
    os.environ["TTF_PLUGINS"] = "trajectory-transformer"
    registry = load_registry()
    readme = ROOT / "README.md"
    return {
        ROOT / "docs" / "recipe.schema.json": json.dumps(recipe_schema(registry), indent=2) + "\n",
        ROOT / "docs" / "reference" / "recipe.md": NOTE + "\n".join(_recipe(registry)),
        ROOT / "docs" / "reference" / "command_line.md": NOTE + "\n".join(_commands()),
        readme: TABLE.sub(lambda _: "\n".join(_table(registry)) + "\n", readme.read_text(encoding="utf-8")),
    }


def _recipe(registry: Registry) -> Iterator[str]:
    yield "# Every field of a recipe\n"
    yield "A recipe is a mapping of sections. One that has kinds below is filled by the component its `kind` names.\n"
    yield "## The recipe itself\n"
    yield from _fields(Recipe, leave_out={*SLOTS, "training", "evaluation"})
    for name in Recipe.model_fields:
        if name in SLOTS:
            yield from _slot(registry, name)
        elif name in ("training", "evaluation"):
            section: type[Section] = TrainingConfig if name == "training" else EvaluationConfig
            yield f"## {name}\n"
            yield _words(section.__doc__) + "\n"
            yield from _fields(section)


def _slot(registry: Registry, slot: str) -> Iterator[str]:
    base, several = SLOTS[slot]
    yield f"## {slot}\n"
    yield _words(base.__doc__) + (" A list of components.\n" if several else " One component.\n")
    if len(base.model_fields) > 1:
        yield "Fields of every kind:\n"
        yield from _fields(base, leave_out={"kind"})
    for entry in _entries(registry, slot):
        yield f"### {slot}: {entry.kind}\n"
        yield _summary(entry) + "\n"
        if entry.component.requires:
            yield f"Needs the sections {', '.join(f'`{name}`' for name in entry.component.requires)}.\n"
        own = entry.component.model_fields
        same = [name for name, field in base.model_fields.items() if own[name].default == field.default]
        yield from _fields(entry.component, leave_out={"kind", *same})


def _fields(section: type[Section], leave_out: Collection[str] = ()) -> Iterator[str]:
    for name, field in described(section).items():
        if name.partition(".")[0] not in leave_out:
            default = f"default `{json.dumps(field['default'])}`" if "default" in field else "required"
            yield f"`{name}` — {_allowed(field)}; {default}"
            yield f": {_words(field['description'])}\n"


def _allowed(field: dict[str, Any]) -> str:
    if "pattern" in field:
        return f"text of the form `{field['pattern']}`"
    return allowed(field).replace("|", "or").replace("<", "&lt;").replace(">", "&gt;")


def _commands() -> Iterator[str]:
    cli = make_cli()
    yield "# Every command\n"
    yield from _help(cli, _context(cli, "ttf", None))


def _help(command: click.Command, context: click.Context) -> Iterator[str]:
    yield f"## {context.command_path}\n"
    yield f"```text\n{command.get_help(context).rstrip()}\n```\n"
    if isinstance(command, click.Group):
        for name in command.list_commands(context):
            part = command.get_command(context, name)
            assert part is not None  # noqa: S101  (it was listed)
            yield from _help(part, _context(part, name, context))


def _context(command: click.Command, name: str, parent: click.Context | None) -> click.Context:
    return click.Context(
        command, info_name=name, parent=parent, obj=Settings(), terminal_width=80, **command.context_settings
    )


def _table(registry: Registry) -> Iterator[str]:
    yield "| section | kind | what it is |\n| --- | --- | --- |"
    for slot in SLOTS:
        for entry in _entries(registry, slot):
            yield f"| `{slot}` | `{entry.kind}` | {_summary(entry)} |"


def _entries(registry: Registry, slot: str) -> list[Entry]:
    return sorted((entry for entry in registry.entries if entry.slot == slot), key=lambda entry: entry.kind)


def _summary(entry: Entry) -> str:
    return _words((entry.component.__doc__ or "").split("\n\n", maxsplit=1)[0])


def _words(text: str | None) -> str:
    return " ".join((text or "").split())


def main() -> None:
    """Write the files, or with ``--check`` say which would change and exit with 1."""
    files = generated()
    stale = [file for file, text in files.items() if not file.exists() or file.read_text(encoding="utf-8") != text]
    for file in stale:
        if "--check" not in sys.argv:
            file.write_text(files[file], encoding="utf-8")
        print(file.relative_to(ROOT))
    if stale and "--check" in sys.argv:
        sys.exit("out of date; run: make schema")


if __name__ == "__main__":
    main()
