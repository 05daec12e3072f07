"""Track a run with Weights & Biases; what goes wrong there is logged, and the run goes on without."""

from __future__ import annotations

import logging
import uuid
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, cast, final

import wandb

from ttf.errors import reason
from ttf.interfaces.reporter import Reporter
from ttf.yaml_source import read_file

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from ttf.run_dir import RunDir

Mode: TypeAlias = Literal["offline", "online", "disabled"]

LONGEST_START, LONGEST_FINISH = 30.0, 60.0
"""Seconds that a run waits for the service at its start and at its end."""

logger = logging.getLogger(__name__)


@final
class WandbReporter(Reporter):
    """Logs every record of a run under an id that stays the same when the run is resumed."""

    def __init__(self, run: RunDir, project: str, mode: Mode) -> None:
        self._run = run
        self._tracked: wandb.Run | None = None
        self._groups: set[str] = set()
        if mode != "online":
            self._attempt("not tracked", lambda: self._start(project, mode))
        elif not self._attempt("recorded offline", lambda: self._start(project, mode)):
            self._attempt("not tracked", lambda: self._start_over(project))

    def metrics(self, record: Mapping[str, Any]) -> None:
        """Log the figures as ``KIND/FIGURE`` or ``LEARNER/FIGURE`` over the step of their own."""
        self._attempt("not tracked from here on", lambda: self._log(record))

    def episode(self, record: Mapping[str, Any]) -> None:
        """Nothing to do before the end: results are over all episodes."""

    def finish(self) -> None:
        """Put every policy's results into the summary, and end the tracking; wait a minute at most."""
        self._attempt("not tracked to its end", self._finish)

    def _start(self, project: str, mode: Mode) -> None:
        wandb.setup(wandb.Settings(mode=mode, silent=True))  # else it looks for its server before it knows
        if mode == "online" and not wandb.login(prompt=False, verify=False):
            message = "no API key; 'wandb login' stores one"
            raise wandb.Error(message)
        identity = self._run.read("wandb") or {"id": uuid.uuid4().hex[:12]}
        self._run.write("wandb", identity)
        folder = self._run.path
        self._tracked = wandb.init(
            project=project,
            id=identity["id"],
            name=f"{folder.parent.name}/{folder.name}",
            group=folder.parent.name,
            config=cast("dict[str, Any]", read_file(self._run.recipe).data),
            dir=str(folder),
            mode=mode,
            resume="allow",
            reinit="create_new",
            save_code=False,
            settings=wandb.Settings(
                silent=True,
                console="off",
                disable_code=True,
                disable_git=True,
                init_timeout=LONGEST_START,
                finish_timeout=LONGEST_FINISH,
                x_disable_machine_info=True,
                x_disable_stats=True,
                x_save_requirements=False,
            ),
        )

    def _start_over(self, project: str) -> None:
        """Start offline after a failed start, which may still hold the id."""
        wandb.teardown()
        self._start(project, "offline")

    def _log(self, record: Mapping[str, Any]) -> None:
        if self._tracked is None:
            return
        group = record.get("learner", record["kind"])
        if group not in self._groups:
            self._tracked.define_metric(f"{group}/*", step_metric=f"{group}/step")
            self._groups.add(group)
        figures = {name: value for name, value in record.items() if name not in ("kind", "learner")}
        self._tracked.log({f"{group}/{name}": value for name, value in figures.items()})

    def _finish(self) -> None:
        if self._tracked is None:
            return
        for row in (self._run.read("result") or {"policies": []})["policies"]:
            for name in ("return", "steps", "success"):
                figures = (row[name] or {}).items()
                self._tracked.summary.update(
                    {f"result/{row['policy']}/{name}/{part}": value for part, value in figures}
                )
        self._tracked.finish()

    def _attempt(self, otherwise: str, action: Callable[[], None]) -> bool:
        """Whether it worked; if not, what is the case instead is logged, and nothing more is tracked."""
        try:
            action()
        except Exception as error:  # noqa: BLE001  (whatever a service may raise, the run goes on)
            logger.warning("wandb: %s; the run is %s", reason(error), otherwise)
            self._tracked = None
            return False
        return True
