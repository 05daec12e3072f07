"""From a recipe to a finished run."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ttf.experiment import Experiment
from ttf.interrupts import handled
from ttf.runs import create_run, locked, newest_unfinished
from ttf.stages import Stages
from ttf.together import first_device

if TYPE_CHECKING:
    from pathlib import Path

    import torch

    from ttf.distributed import Company
    from ttf.interfaces.progress import Progress
    from ttf.recipe import Recipe
    from ttf.run_dir import RunDir


def run_recipe(
    recipe: Recipe,
    *,
    runs_dir: Path,
    resume: bool,
    progress: Progress,
    reuse: bool = True,
    company: Company | None = None,
) -> RunDir:
    """Do everything a recipe says; what it leaves behind is in the run folder returned.

    Args:
        recipe: loaded and checked.
        runs_dir: folder of run folders; a new one is made in it, or the newest unfinished one goes on.
        resume: whether to go on.
        progress: told how far the run is.
        reuse: whether to take what other runs in ``runs_dir`` have trained, and leave what this one trains to them.
        company: the other processes, where there are any, of which this is the first; they help to train the model.

    Raises:
        TtfError: the data, a component, the machine or a signal ended the run; what was finished is saved.
    """
    device = first_device(recipe, company)  # before there is a folder
    run = newest_unfinished(runs_dir, recipe) if resume else create_run(runs_dir, recipe)
    run_in(run, recipe, device, Stages(runs_dir) if reuse else None, progress, company)
    return run


def run_in(
    run: RunDir,
    recipe: Recipe,
    device: torch.device,
    stages: Stages | None,
    progress: Progress,
    company: Company | None = None,
    patience: float = 0.0,
) -> None:
    """Do what a recipe says in a folder, going on with what it holds; who writes there has ``patience`` seconds to end.

    Raises:
        TtfError: see :func:`run_recipe`.
    """
    with handled() as interrupts, locked(run, patience):
        experiment = Experiment(recipe, run, device, progress, interrupts, stages, company)
        with experiment.closing:
            experiment.run()
