"""The checker of the reporter contract."""

from __future__ import annotations

from copy import deepcopy
from pathlib import Path
from shutil import copytree
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from ttf.assemble import run_recipe
from ttf.errors import TtfError
from ttf.recipe import Recipe
from ttf.run_dir import RunDir
from ttf.sections import EvaluationConfig, TrainingConfig
from ttf.testing.configuration import check_configuration
from ttf.testing.corridor import CorridorConfig, CorridorEnvironmentConfig, HomingConfig
from ttf.testing.quiet import Quiet
from ttf.testing.requirement import require
from ttf.testing.stand_ins import BagConfig, RanksConfig
from ttf.testing.untouched import untouched

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ttf.component import ReporterConfig
    from ttf.interfaces.reporter import Reporter

METRICS: tuple[Mapping[str, Any], ...] = (
    {"kind": "train", "step": 1, "loss": 2.5, "learning_rate": 1e-3},
    {"kind": "learner", "learner": "critic", "step": 1000, "value_loss": 0.5, "q_loss": 1.5},
    {"kind": "validation", "step": 2, "loss": 2.25, "loss_action": 1.0},
)
"""Records such as training gives, in order."""

EPISODES: tuple[Mapping[str, Any], ...] = tuple(
    {
        "policy": "homing",
        "episode": episode,
        "seed": 7 + episode,
        "return": -3.5,
        "steps": 4,
        "success": success,
        "terminated": bool(success),
        "truncated": not success,
    }
    for episode, success in enumerate((True, False, None))
)
"""Records such as evaluation gives; success is None where the environment does not report it."""


def check_reporter(config: ReporterConfig) -> None:
    """Check everything the contract says of a reporter, in the folders of small runs.

    Args:
        config: the component.

    Raises:
        AssertionError: the contract is broken; the message says how.
    """
    check_configuration(config)
    with TemporaryDirectory() as folder:
        run, other = _finished_run(Path(folder), "one"), Path(folder) / "other"
        copytree(run.path, other)
        before, apart = _files(run.path), config.build(RunDir(other))
        beside = _files(other)
        reporter = _opened(config, run)
        _tell(reporter)
        told = _files(run.path)
        resumed = _opened(config, run)
        _check_kept(told, _files(run.path))
        _tell(resumed)
        _finish(resumed)
        after = _files(run.path)
        for name, content in before.items():
            require(after.get(name) == content, f"the reporter changed {name}, which is not its own; write other files")
        require(
            _files(other) == beside,
            "a record of one run changed another run's folder; keep the run that build is given",
        )
        _tell(apart)
        _finish(apart)
        _check_gone(config, Path(folder) / "gone")


def _finished_run(folder: Path, name: str) -> RunDir:
    """The folder of a run without reporters: a little training, and a policy's episodes."""
    recipe = Recipe(
        name=name,
        device="cpu",
        data=CorridorConfig(),
        discretizer=RanksConfig(bins=8),
        model=BagConfig(context=3),
        training=TrainingConfig(steps=2, batch_size=4),
        environment=CorridorEnvironmentConfig(),
        evaluation=EvaluationConfig(episodes=3, batch=3, trajectories=2),
        baselines=[HomingConfig()],
    )
    run = run_recipe(recipe, runs_dir=folder, resume=False, progress=Quiet())
    run.episodes.unlink()  # empty: what records there are is up to the reporters
    return run


def _opened(config: ReporterConfig, run: RunDir) -> Reporter:
    with untouched("building the reporter"):
        return config.build(run)


def _tell(reporter: Reporter) -> None:
    """Tell everything but the end; the records must stay as they are."""
    for name, tell, records in (
        ("metrics", reporter.metrics, METRICS),
        ("episode", reporter.episode, EPISODES),
    ):
        for record in records:
            given = deepcopy(dict(record))
            with untouched(name):
                tell(given)
            require(given == record, f"{name} changed the record; copy what you modify, others are told it too")


def _finish(reporter: Reporter) -> None:
    with untouched("finish"):
        reporter.finish()


def _files(folder: Path) -> dict[str, bytes]:
    """Every file below a folder, by its place in it."""
    return {file.relative_to(folder).as_posix(): file.read_bytes() for file in folder.rglob("*") if file.is_file()}


def _check_kept(told: Mapping[str, bytes], opened: Mapping[str, bytes]) -> None:
    """A run that is resumed loses nothing that was reported before."""
    for name, content in told.items():
        require(
            opened.get(name, b"").startswith(content),
            f"built again for a run that is resumed, the reporter lost what it had written to {name}; append to it",
        )


def _check_gone(config: ReporterConfig, folder: Path) -> None:
    """A folder that cannot be written is one clear error, or none."""
    try:
        reporter = config.build(RunDir(folder))
        _tell(reporter)
        reporter.finish()
    except TtfError:
        return
    except OSError as error:
        message = f"in a folder that is gone, the reporter raised {error!r}; raise a ResourceError that names the file"
        raise AssertionError(message) from error
