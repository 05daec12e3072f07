"""Play a recorded episode again and render it: a program of its own, so that a driver that crashes or hangs ends alone.

python -m ttf_plugins.video.replay REQUEST.json ANSWER.json
"""

from __future__ import annotations

import json
import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ttf.errors import DataError, reason
from ttf.interfaces.data import EnvironmentSpec
from ttf.observations import ObservationRule
from ttf.registered import make, merged, plain_options
from ttf.run_dir import RunDir, write_text
from ttf.trajectories import Trajectory, read_trajectories
from ttf.yaml_source import read_file
from ttf_plugins.video.files import held, write_video

if TYPE_CHECKING:
    from collections.abc import Iterator

    import gymnasium

    from ttf_plugins.video.files import Frame

HEIGHT = 3 / 4
"""Of a rendered frame, by its width."""

ELEVATION, DISTANCE = -65.0, 1.3
"""The camera over a maze: degrees, and its distance by the maze's side. Steep enough that no wall hides anything."""


@dataclass(frozen=True)
class Request:
    """What is to be rendered."""

    run: str
    policy: str
    episode: int
    seed: int
    file: str
    every: int
    fps: int
    size: int


@dataclass
class Answer:
    """What came of it."""

    deviates: int | None = None
    """The first step whose observation is not the recorded one."""

    problem: str | None = None


class Replay:
    """A recorded episode, played again.

    Args:
        environment: made as for the evaluation, but for its frames.
        rule: how its observations are flattened.
        item: what was recorded.
        seed: of the episode.
    """

    def __init__(
        self, environment: gymnasium.Env[Any, Any], rule: ObservationRule, item: Trajectory, seed: int
    ) -> None:
        self._environment, self._rule, self._item, self._seed = environment, rule, item, seed
        self.deviates: int | None = None
        """The first step whose observation is not the recorded one; None if there is none so far."""

    def frames(self, every: int) -> Iterator[Frame]:
        """A frame for every so many steps, and one for the end."""
        assert self._item.actions is not None  # noqa: S101  (checked by the caller)
        last = len(self._item.actions)
        observation, _ = self._environment.reset(seed=self._seed)
        for step in range(last + 1):
            if self.deviates is None and not self._is_recorded(observation, step):
                self.deviates = step
            if step % every == 0 or step == last:
                yield self._frame()
            if step < last:
                observation = self._environment.step(self._item.actions[step])[0]

    def _is_recorded(self, observation: Any, step: int) -> bool:  # noqa: ANN401  (what the environment returns)
        return np.array_equal(self._rule.flatten(observation), self._item.observations[step])

    def _frame(self) -> Frame:
        frame: Any = self._environment.render()
        if not isinstance(frame, np.ndarray) or frame.ndim != 3:
            message = f"the environment renders {type(frame).__name__}, no picture"
            raise DataError(message)
        height, width = (length - length % 2 for length in frame.shape[:2])
        return np.ascontiguousarray(frame[:height, :width, :3], dtype=np.uint8)


def recorded_environment(run: RunDir) -> tuple[EnvironmentSpec, ObservationRule]:
    """The registered environment that a run was evaluated in, and how its observations were flattened.

    Raises:
        DataError: there is none.
        RecipeError: the recipe cannot be read.
    """
    recipe, record = read_file(run.recipe).data, run.read("run") or {}
    section = recipe.get("environment") if isinstance(recipe, dict) else None
    source = record.get("source") or {}
    recorded = EnvironmentSpec(source["environment"], source["options"]) if source.get("environment") else None
    if not isinstance(section, dict) or section.get("kind") != "gymnasium":
        message = "the run was not evaluated in a registered environment (environment.kind gymnasium)"
        raise DataError(message)
    spec = merged(section.get("id"), section.get("options") or {}, recorded)
    if spec is None:
        message = "the run names no environment"
        raise DataError(message)
    keys, dims = source.get("keys"), source.get("dims")
    rule = ObservationRule(None if keys is None else tuple(keys), None if dims is None else tuple(dims))
    return EnvironmentSpec(spec.id, plain_options(spec.id, spec.options)), rule


def look_from_above(environment: gymnasium.Env[Any, Any]) -> None:
    """Take the camera of a maze of gymnasium-robotics up: near the floor, the walls hide an ant."""
    world: Any = environment.unwrapped
    maze, walker = getattr(world, "maze", None), getattr(world, "ant_env", getattr(world, "point_env", None))
    renderer = getattr(walker, "mujoco_renderer", None)
    if maze is None or renderer is None:
        return
    side = maze.maze_size_scaling * max(maze.map_length, HEIGHT * maze.map_width)
    renderer.camera_id = -1
    renderer.default_cam_config = {
        "lookat": np.zeros(3),
        "distance": DISTANCE * side,
        "elevation": ELEVATION,
        "azimuth": 90.0,
    }


def render(request: Request) -> Answer:
    """Write the video of an episode.

    Raises:
        TtfError: it cannot be played again, or not be written.
    """
    run = RunDir(Path(request.run))
    wanted = (request.policy, request.episode)
    item = next(one for one in read_trajectories(run.trajectories) if (one.policy, one.episode) == wanted)
    if item.actions is None:
        message = "the run has no recorded actions; runs of earlier versions do not"
        raise DataError(message)
    spec, rule = recorded_environment(run)
    frames = {"render_mode": "rgb_array", "width": request.size, "height": round(HEIGHT * request.size)}
    environment = make(EnvironmentSpec(spec.id, {**spec.options, **frames}))
    try:
        look_from_above(environment)
        replay = Replay(environment, rule, item, request.seed)
        write_video(Path(request.file), held(replay.frames(request.every), request.fps), request.fps)
    finally:
        environment.close()
    return Answer(deviates=replay.deviates)


def main() -> None:
    """Read the request, and write the answer."""
    request, answer = sys.argv[1:]
    try:
        found = render(Request(**json.loads(Path(request).read_text(encoding="utf-8"))))
    except Exception as error:  # noqa: BLE001  (OpenGL fails in as many ways as there are drivers)
        found = Answer(problem=reason(error))
    write_text(Path(answer), json.dumps(asdict(found)))


if __name__ == "__main__":
    main()
