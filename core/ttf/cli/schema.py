"""ttf schema: the JSON Schema of recipes."""

from __future__ import annotations

import click

EPILOG = """\b
Examples:
  ttf schema > recipe.schema.json
\b
Editors with the YAML language server check a recipe that starts with
  # yaml-language-server: $schema=recipe.schema.json
"""


@click.command(epilog=EPILOG)
def schema() -> None:
    """Print the JSON Schema of recipes."""
    import json

    from ttf.registry import load_registry
    from ttf.schema import recipe_schema

    click.echo(json.dumps(recipe_schema(load_registry()), indent=2))
