"""ttf export: write the trained parts of a run to a folder."""

from __future__ import annotations

from pathlib import Path

import click

EPILOG = """\b
Examples:
  ttf export runs/antmaze_value_guided/20260102-030405 pretrained
  ttf run antmaze_value_guided --pretrained-from pretrained
"""


@click.command(epilog=EPILOG)
@click.argument("run", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.argument("folder", type=click.Path(path_type=Path))
def export(run: Path, folder: Path) -> None:
    """Write the trained parts of RUN to FOLDER, to plan with them again without data and training."""
    from ttf.errors import RecipeError
    from ttf.pretrained import export as write
    from ttf.recipe import load
    from ttf.registry import load_registry
    from ttf.run_dir import RunDir

    source = RunDir(run)
    if not source.recipe.exists():
        message = f"{run}: not a run folder; it has no {source.recipe.name}"
        raise RecipeError(message)
    if folder.exists():
        message = f"{folder}: is there already; name a new folder"
        raise RecipeError(message)
    write(source, load(source.recipe, load_registry()), folder)
    click.echo(folder)
