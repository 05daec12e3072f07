"""Run the trials of a study that have not been run yet."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

from ttf.ablate.stage_plan import startable
from ttf.errors import DataError
from ttf.interfaces.launcher import Job
from ttf.processes import this_command
from ttf.recipe import dump
from ttf.run_dir import write_text
from ttf.stages import Stages

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from ttf.ablate.study import Study, Trial
    from ttf.ablate.study_dir import StudyDir
    from ttf.interfaces.launcher import Launcher
    from ttf.interfaces.progress import Progress
    from ttf.run_dir import RunDir


def missing(study: Study, folder: StudyDir, note: Callable[[str], object] = lambda _: None) -> list[Trial]:
    """The trials that have not finished, or have to be run again; ``note`` is told why."""
    left = []
    for trial in study.trials:
        try:
            if folder.episodes(trial) is None:
                left.append(trial)
        except DataError as error:
            note(f"{trial.name}: {error}; it is run again")
            left.append(trial)
    return left


def launch(study: Study, folder: StudyDir, launcher: Launcher, runs_dir: Path, progress: Progress) -> dict[str, str]:
    """Run what is missing; of every trial that has failed, why.

    The launcher is given first what waits for nobody. When all of that has ended, those follow that share what it has
    trained; if it has failed, the next one that needs the part trains it.

    Args:
        study: all of it.
        folder: where its runs are.
        launcher: runs them.
        runs_dir: folder of the runs with which trained parts are shared.
        progress: told of every trial that has ended.

    Raises:
        ResourceError: a folder cannot be made, or the launcher cannot work.
    """
    left = missing(study, folder)
    jobs = {trial.name: _job(trial, folder, runs_dir) for trial in left}
    total, failures = sum(1 for _ in study.trials), {}
    with progress.task("trials", total, done=total - len(left), unit="trials") as task:

        def ended(job: Job, failure: str | None) -> None:
            if failure is not None:
                failures[job.name] = failure
                progress.note(f"{job.name}: {failure}; its log is {job.log}")
            folder.write("failures", failures)
            task.advance()

        while left:
            wave = [jobs.pop(trial.name) for trial in startable(left, Stages(runs_dir))]
            launcher.run(wave, ended)
            left = [trial for trial in left if trial.name in jobs]
    return failures


def _job(trial: Trial, folder: StudyDir, runs_dir: Path) -> Job:
    run = folder.run(trial)
    if not _readable(run):
        shutil.rmtree(run.path)  # nothing of it says what its checkpoints are of
    run.path.mkdir(parents=True, exist_ok=True)
    write_text(run.recipe, dump(trial.recipe))
    command = this_command("--debug", "trial", str(run.path.absolute()), "--runs-dir", str(runs_dir.absolute()))
    return Job(trial.name, command, folder.log(trial).absolute())


def _readable(run: RunDir) -> bool:
    """Whether a run can go on with what its folder holds."""
    try:
        run.read("run")
    except DataError:
        return False
    return True
