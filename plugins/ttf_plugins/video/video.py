"""Write videos of evaluation episodes from the run folder; what cannot be shown is one note, and the run goes on."""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, final

from pydantic import TypeAdapter

from ttf.errors import DataError, reason
from ttf.floor import world
from ttf.interfaces.environment import FloorPlan
from ttf.interfaces.reporter import Reporter
from ttf.run_dir import read_lines
from ttf.trajectories import Trajectory, read_trajectories
from ttf_plugins.video.above import Scene
from ttf_plugins.video.files import held, write_video
from ttf_plugins.video.replay import Answer, Request

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ttf.run_dir import RunDir
    from ttf_plugins.video import VideoConfig

LONGEST = 600.0
"""Seconds that an episode may take to be rendered."""

logger = logging.getLogger(__name__)


@final
class VideoReporter(Reporter):
    """Writes the videos when the run has ended; what it was told of the episodes says how they ended."""

    def __init__(self, run: RunDir, config: VideoConfig) -> None:
        self._run, self._config = run, config
        self._records: dict[tuple[str, int], Mapping[str, Any]] = {}

    def metrics(self, record: Mapping[str, Any]) -> None:
        """Nothing to show."""

    def episode(self, record: Mapping[str, Any]) -> None:
        """Remember the seed, and how the episode ended."""
        self._records[record["policy"], record["episode"]] = dict(record)

    def finish(self) -> None:
        """Write the videos."""
        try:
            self._write()
        except Exception as error:  # noqa: BLE001  (a video must not end a run, whatever a library raises)
            logger.warning("video: %s; there is no video of what was not written by then", reason(error))

    def _write(self) -> None:
        items = self._chosen(read_trajectories(self._run.trajectories))
        if not items:
            return
        if not self._records:
            self._records = {(line["policy"], line["episode"]): line for line in read_lines(self._run.episodes)}
        plan = self._run.read("floor_plan")
        if self._config.view == "maze" and plan is None:
            message = "there is no maze to draw from above"
            raise DataError(message)
        if self._config.view == "render" or plan is None:
            self._render(items)
        else:
            self._draw(items, TypeAdapter(FloorPlan).validate_python(plan))

    def _chosen(self, items: Sequence[Trajectory]) -> list[Trajectory]:
        """The first episodes of the policy: the one asked for, else the one that made plans, else the first."""
        result = self._run.read("result") or {"policies": []}
        names = [row["policy"] for row in result["policies"]]
        policy = self._config.policy or next((item.policy for item in items if item.plans), (names or [None])[0])
        chosen = [item for item in items if item.policy == policy][: self._config.episodes]
        if items and not chosen:
            known = ", ".join(sorted({item.policy for item in items}))
            message = f"no recorded episode of the policy {policy!r}; there are: {known}"
            raise DataError(message)
        return chosen

    def _draw(self, items: Sequence[Trajectory], floor: FloorPlan) -> None:
        scene = world(floor, items)
        for item in items:
            success = self._records.get((item.policy, item.episode), {}).get("success")
            frames = Scene(scene, item, success, self._config.size).frames(self._config.every)
            write_video(self._file(item), held(frames, self._config.fps), self._config.fps)

    def _render(self, items: Sequence[Trajectory]) -> None:
        for item in items:
            record = self._records.get((item.policy, item.episode))
            if record is None:
                message = f"the seed of episode {item.episode} is not known; list the reporter jsonl too"
                raise DataError(message)
            config, file = self._config, self._file(item)
            answer = rendered(
                Request(
                    run=str(self._run.path.absolute()),
                    policy=item.policy,
                    episode=item.episode,
                    seed=record["seed"],
                    file=str(file.absolute()),
                    every=config.every,
                    fps=config.fps,
                    size=config.size,
                )
            )
            if answer.problem is not None:
                message = f"episode {item.episode} cannot be rendered: {answer.problem}"
                raise DataError(message)
            if answer.deviates is not None:
                text = "video: %s: from step %d on the replay differs from what was recorded; it shows something else"
                logger.warning(text, file, answer.deviates)

    def _file(self, item: Trajectory) -> Path:
        return self._run.video(item.policy, item.episode, self._config.format)


def rendered(request: Request, longest: float = LONGEST) -> Answer:
    """Have an episode rendered by a program of its own, by EGL unless MUJOCO_GL says otherwise."""
    with TemporaryDirectory() as folder:
        asked, answered = Path(folder) / "request.json", Path(folder) / "answer.json"
        asked.write_text(json.dumps(asdict(request)), encoding="utf-8")
        command = [sys.executable, "-m", "ttf_plugins.video.replay", str(asked), str(answered)]
        environment = {**os.environ, "MUJOCO_GL": os.environ.get("MUJOCO_GL", "egl")}
        try:
            done = subprocess.run(  # noqa: S603  (our own program)
                command, env=environment, capture_output=True, timeout=longest, check=False
            )
        except subprocess.TimeoutExpired:
            return Answer(problem=f"it takes longer than {longest:.0f} s")
        if not answered.exists():
            return Answer(problem=f"the renderer ended with {done.returncode}")
        return Answer(**json.loads(answered.read_text(encoding="utf-8")))
