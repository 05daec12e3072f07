"""ttf validate: check recipes without running them."""

from __future__ import annotations

import click

from ttf.cli.shipped import complete_recipes, find_recipe
from ttf.errors import RecipeError

EPILOG = """\b
Examples:
  ttf validate my.yaml
  ttf validate my.yaml --set model.width=96
  ttf validate recipes/*.yaml recipes/smoke/*.yaml
"""


@click.command(epilog=EPILOG)
@click.argument("recipes", metavar="RECIPE...", nargs=-1, required=True, shell_complete=complete_recipes)
@click.option("--set", "overrides", metavar="PATH=VALUE", multiple=True, help="Change the recipes; may be repeated.")
def validate(recipes: tuple[str, ...], overrides: tuple[str, ...]) -> None:
    """Say everything that is wrong with recipes, and with the cells of their studies."""
    from ttf.ablate.study import load_study
    from ttf.recipe import load
    from ttf.registry import load_registry

    registry = load_registry()
    wrong = 0
    for recipe in recipes:
        try:
            checked = load(find_recipe(recipe), registry, overrides)
            if checked.study is not None:
                load_study(find_recipe(recipe), registry, overrides, (), None, lambda text: click.echo(text, err=True))
        except RecipeError as error:
            click.echo(error, err=True)
            wrong = 2
        else:
            click.echo(f"{recipe}: ok")
    raise click.exceptions.Exit(wrong)
