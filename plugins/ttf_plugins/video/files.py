"""Write frames as a video file, whole or not at all."""

from __future__ import annotations

import os
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from PIL import Image

from ttf.errors import ResourceError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

    Frame = NDArray[np.uint8]  # (height, width, 3)

QUALITY = 8
"""Of MP4 files, 0 to 10: lines stay sharp, and a minute is a few megabytes."""


def write_video(file: Path, frames: Iterable[Frame], fps: int) -> None:
    """Write frames of even height and width to an MP4 or GIF file.

    Raises:
        ResourceError: the file cannot be written.
    """
    partial = file.with_name(f".{os.getpid()}.tmp{file.suffix}")
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        (_write_gif if file.suffix == ".gif" else _write_mp4)(partial, frames, fps)
        partial.replace(file)
    except OSError as error:
        message = f"{file}: cannot be written: {error.strerror or error}"
        raise ResourceError(message) from error
    finally:
        with suppress(OSError):  # said already
            partial.unlink()


def _write_mp4(file: Path, frames: Iterable[Frame], fps: int) -> None:
    import imageio_ffmpeg  # not needed for GIF files

    writer: Any = None  # a generator that is sent frames
    try:
        for frame in frames:
            if writer is None:
                writer = imageio_ffmpeg.write_frames(
                    str(file),
                    (frame.shape[1], frame.shape[0]),
                    fps=fps,
                    quality=QUALITY,
                    macro_block_size=2,
                    ffmpeg_log_level="error",
                )
                writer.send(None)
            writer.send(frame.tobytes())
    finally:
        if writer is not None:
            writer.close()


def _write_gif(file: Path, frames: Iterable[Frame], fps: int) -> None:
    first, *others = (Image.fromarray(frame).quantize(method=Image.Quantize.FASTOCTREE) for frame in frames)
    first.save(file, save_all=True, append_images=others, duration=round(1000 / fps), loop=0)


def held(frames: Iterable[Frame], count: int) -> Iterator[Frame]:
    """The frames, the last one ``count`` times more, so that an end can be seen."""
    last: Frame | None = None
    for last in frames:
        yield last
    if last is not None:
        for _ in range(count):
            yield last
