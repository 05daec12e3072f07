"""Find the recipes that come with ttf."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import ttf
from ttf.errors import RecipeError, did_you_mean

if TYPE_CHECKING:
    import click
    from click.shell_completion import CompletionItem


def shipped_recipes() -> dict[str, Path]:
    """The shipped recipes by name, ``smoke/...`` among them: from the wheel, or from the source tree."""
    package = Path(ttf.__file__).parent
    for folder in (package / "recipes", package.parents[1] / "recipes"):
        if folder.is_dir():
            return {
                file.relative_to(folder).with_suffix("").as_posix(): file for file in sorted(folder.rglob("*.yaml"))
            }
    return {}


def shipped_recipe(name: str) -> Path:
    """The file of a shipped recipe.

    Raises:
        RecipeError: there is none of that name.
    """
    known = shipped_recipes()
    if name not in known:
        message = f"no shipped recipe {name!r}{did_you_mean(name, known)}"
        raise RecipeError(message)
    return known[name]


def find_recipe(argument: str) -> Path:
    """The file that a RECIPE argument means: a path, or the name of a shipped recipe.

    Raises:
        RecipeError: it is neither, and does not look like a path.
    """
    path = Path(argument)
    if path.suffix or path.exists():
        return path
    known = shipped_recipes()
    if argument not in known:
        message = f"{argument}: no such file or shipped recipe{did_you_mean(argument, known)}"
        raise RecipeError(message)
    return known[argument]


def shipped_parts(recipe: Path) -> Path:
    """The folder of the trained parts that come with a recipe file.

    Raises:
        RecipeError: there are none.
    """
    folder = recipe.parent / "pretrained" / recipe.stem
    if not folder.is_dir():
        known = [path.name for path in sorted(folder.parent.glob("*"))]
        message = f"{recipe}: no pretrained parts come with it{did_you_mean(recipe.stem, known)}"
        raise RecipeError(message)
    return folder


def complete_recipes(_context: click.Context, _parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Completions of a RECIPE argument: shipped names, then files."""
    from click.shell_completion import CompletionItem

    names = [CompletionItem(name) for name in shipped_recipes() if name.startswith(incomplete)]
    return [*names, CompletionItem(incomplete, type="file")]
