"""Reporter `video`: what evaluation episodes look like."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from ttf import hookimpl
from ttf.component import ReporterConfig
from ttf.extras import require_extra

if TYPE_CHECKING:
    from ttf.interfaces.reporter import Reporter
    from ttf.run_dir import RunDir

ttf_api = "1"


class VideoConfig(ReporterConfig):
    """Writes videos of evaluation episodes: a maze from above with the plans that were made, or the rendered world.

    The first `evaluation.trajectories` episodes can be shown. Nothing that goes wrong with a video ends a run. MP4
    files need a package that is not installed with ttf: `pip install 'trajectory-transformer[video]'`.
    """

    kind: Literal["video"] = "video"
    """Evaluation episodes as videos."""

    view: Literal["auto", "maze", "render"] = "auto"
    """`maze` draws the world from above, with the way and the plan of the moment; `render` plays the recorded actions
    again and lets MuJoCo draw, which needs OpenGL (EGL). `auto` takes the maze where there is one."""

    policy: Annotated[str, Field(min_length=1, max_length=200)] | None = None
    """Name of the policy as in the results; null for the planner."""

    episodes: Annotated[int, Field(ge=1, le=1000)] = 3
    """Episodes to show, the first ones, a file each."""

    every: Annotated[int, Field(ge=1, le=1000)] = 1
    """Environment steps from one frame to the next."""

    fps: Annotated[int, Field(ge=1, le=100)] = 30
    """Frames a second."""

    size: Annotated[int, Field(ge=64, le=2160)] = 720
    """Pixels of the longer side of the world."""

    format: Literal["mp4", "gif"] = "mp4"
    """`gif` needs no further package, and has larger files and fewer colours."""

    def build(self, run: RunDir) -> Reporter:
        """Open the reporter; it reads the run folder when the run finishes.

        Raises:
            PluginError: the package for MP4 files is not installed.
        """
        if self.format == "mp4":
            require_extra("imageio_ffmpeg", "video", otherwise=", or set format: gif")
        from ttf_plugins.video.video import VideoReporter

        return VideoReporter(run, self)


@hookimpl
def ttf_components() -> list[type[VideoConfig]]:
    """The components of this plugin."""
    return [VideoConfig]
