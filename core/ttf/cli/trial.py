"""ttf trial: one run of a study, in the folder that the study has made for it."""

from __future__ import annotations

from pathlib import Path

import click


@click.command(hidden=True)
@click.argument("folder", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--runs-dir", type=click.Path(file_okay=False, path_type=Path), default="runs", show_default=True)
def trial(folder: Path, runs_dir: Path) -> None:
    """Run the recipe in FOLDER there, going on with what it holds; parts are shared with the runs in --runs-dir."""
    from ttf.processes import PATIENCE, end_with_launcher

    end_with_launcher()

    from ttf.cli.progress import make_progress
    from ttf.recipe import load
    from ttf.registry import load_registry
    from ttf.run_dir import RunDir

    run = RunDir(folder)
    recipe = load(run.recipe, load_registry())

    from ttf.assemble import run_in
    from ttf.device import resolve_device
    from ttf.stages import Stages

    with make_progress() as progress:
        run_in(run, recipe, resolve_device(recipe.device), Stages(runs_dir), progress, patience=PATIENCE)
