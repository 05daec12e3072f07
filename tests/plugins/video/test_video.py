"""Videos show what was recorded, and what cannot be shown is one note."""

from __future__ import annotations

import importlib.util
import logging
from typing import TYPE_CHECKING, Any

import pytest
from PIL import Image, ImageSequence
from tests.plugins.video.conftest import played

from ttf.cli.edge import run_cli
from ttf.errors import PluginError
from ttf.run_dir import RunDir, save_trajectories
from ttf.testing import check_reporter
from ttf.trajectories import read_trajectories
from ttf_plugins.video import VideoConfig
from ttf_plugins.video.replay import Request
from ttf_plugins.video.video import rendered

if TYPE_CHECKING:
    from pathlib import Path

SMALL: dict[str, Any] = {"format": "gif", "size": 128, "fps": 10}


def notes(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]


def frames(file: Path) -> int:
    with Image.open(file) as image:
        return sum(1 for _ in ImageSequence.Iterator(image))


def names(run: RunDir) -> list[str]:
    return sorted(file.name for file in run.videos.glob("*")) if run.videos.exists() else []


def test_the_contract_of_reporters_is_kept(caplog: pytest.LogCaptureFixture) -> None:
    check_reporter(VideoConfig(**SMALL))
    assert notes(caplog) == []


def test_without_the_package_for_mp4_files_one_line_says_how_to_get_it(
    run: RunDir, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ttf.extras.find_spec", lambda _: None)
    with pytest.raises(PluginError) as refusal:
        VideoConfig().build(run)
    assert str(refusal.value) == (
        "imageio-ffmpeg is not installed; install it with: pip install 'trajectory-transformer[video]', or set format: "
        "gif"
    )
    VideoConfig(format="gif").build(run)


def test_a_maze_run_has_a_video_of_each_of_the_planners_episodes(
    maze_run: RunDir, caplog: pytest.LogCaptureFixture
) -> None:
    VideoConfig(**SMALL).build(maze_run).finish()
    assert names(maze_run) == ["beam-search-0.gif", "beam-search-1.gif"]
    assert notes(caplog) == []


@pytest.mark.parametrize(("every", "shown"), [(1, 13), (5, 4), (6, 3), (100, 2)])
def test_a_video_has_a_frame_for_every_so_many_steps_and_one_for_the_end(
    maze_run: RunDir, every: int, shown: int
) -> None:
    pytest.importorskip("imageio_ffmpeg", reason="the extra video is not installed")
    import imageio_ffmpeg

    VideoConfig(episodes=1, every=every, size=128, fps=10).build(maze_run).finish()
    count, seconds = imageio_ffmpeg.count_frames_and_secs(str(maze_run.video("beam search", 0, "mp4")))
    assert (count, seconds) == (shown + 10, pytest.approx((shown + 10) / 10))  # the end is held for a second


def test_a_policy_can_be_asked_for_by_name(maze_run: RunDir) -> None:
    VideoConfig(policy="random", **SMALL).build(maze_run).finish()
    assert names(maze_run) == ["random-0.gif"]


def test_how_it_ended_is_what_the_reporter_was_told(maze_run: RunDir) -> None:
    told, silent = VideoConfig(episodes=1, **SMALL).build(maze_run), VideoConfig(episodes=1, **SMALL).build(maze_run)
    silent.finish()
    file = maze_run.video("beam search", 0, "gif")
    from_the_file = file.read_bytes()
    told.episode({"policy": "beam search", "episode": 0, "seed": 1, "success": False})
    told.finish()
    assert file.read_bytes() != from_the_file


@pytest.mark.parametrize(
    ("fields", "note"),
    [
        ({"policy": "iql"}, "no recorded episode of the policy 'iql'; there are: beam search, random"),
        (
            {"view": "render"},
            "episode 0 cannot be rendered: the run has no recorded actions; runs of earlier versions ",
        ),
    ],
)
def test_what_cannot_be_shown_is_one_note(
    maze_run: RunDir, fields: dict[str, Any], note: str, caplog: pytest.LogCaptureFixture
) -> None:
    VideoConfig(**(SMALL | fields)).build(maze_run).finish()
    (text,) = notes(caplog)
    assert text.startswith(f"video: {note}")
    assert names(maze_run) == []


def test_a_run_without_a_maze_cannot_be_seen_from_above(run: RunDir, caplog: pytest.LogCaptureFixture) -> None:
    played(run, "Pendulum-v1", 3)
    VideoConfig(view="maze", **SMALL).build(run).finish()
    assert notes(caplog) == [
        "video: there is no maze to draw from above; there is no video of what was not written by then"
    ]


def test_a_run_without_trajectories_has_no_video_and_no_note(run: RunDir, caplog: pytest.LogCaptureFixture) -> None:
    VideoConfig(**SMALL).build(run).finish()
    save_trajectories(run, {})
    VideoConfig(**SMALL).build(run).finish()
    assert (names(run), notes(caplog)) == ([], [])


def test_a_folder_that_cannot_be_written_is_one_note(maze_run: RunDir, caplog: pytest.LogCaptureFixture) -> None:
    maze_run.videos.write_text("a file")
    VideoConfig(**SMALL).build(maze_run).finish()
    (text,) = notes(caplog)
    assert f"{maze_run.video('beam search', 0, 'gif')}: cannot be written: " in text


def test_damaged_trajectories_are_one_note(maze_run: RunDir, caplog: pytest.LogCaptureFixture) -> None:
    maze_run.trajectories.write_bytes(b"nothing of the kind")
    VideoConfig(**SMALL).build(maze_run).finish()
    (text,) = notes(caplog)
    assert text.startswith("video: trajectories.safetensors: not readable as safetensors: ")


@pytest.mark.skipif(importlib.util.find_spec("mujoco") is None, reason="the extra mujoco is not installed")
def test_where_mujoco_cannot_render_it_is_one_note(
    run: RunDir, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    played(run, "Hopper-v5", 4)
    monkeypatch.setenv("MUJOCO_GL", "nothing")
    VideoConfig(**SMALL).build(run).finish()
    (text,) = notes(caplog)
    assert text.startswith("video: episode 0 cannot be rendered: ")
    assert names(run) == []


@pytest.mark.usefixtures("egl")
def test_a_rendered_episode_is_the_recorded_one(run: RunDir, caplog: pytest.LogCaptureFixture) -> None:
    played(run, "Hopper-v5", 6)
    VideoConfig(**SMALL).build(run).finish()
    assert notes(caplog) == []
    assert names(run) == ["random-0.gif"]
    with Image.open(run.video("random", 0, "gif")) as image:
        assert image.size == (128, 96)
        assert len(image.convert("RGB").getcolors(128 * 96) or []) > 10


@pytest.mark.usefixtures("egl")
def test_a_replay_that_differs_from_what_was_recorded_says_from_where(
    run: RunDir, caplog: pytest.LogCaptureFixture
) -> None:
    played(run, "Hopper-v5", 6)
    (item,) = read_trajectories(run.trajectories)
    assert item.actions is not None
    item.actions[2] *= -1
    save_trajectories(run, {"random/0/observations": item.observations, "random/0/actions": item.actions})
    VideoConfig(**SMALL).build(run).finish()
    file = run.video("random", 0, "gif")
    assert notes(caplog) == [
        f"video: {file}: from step 3 on the replay differs from what was recorded; it shows something else"
    ]
    assert file.exists()


RECIPE = "name: x\ndata: {kind: minari}\nreporters: [{kind: video, episodes: 1, format: gif, size: 64, every: 6}]\n"


def test_videos_of_a_finished_run_are_made_by_ttf_report(maze_run: RunDir, capfd: pytest.CaptureFixture[str]) -> None:
    maze_run.recipe.write_text(RECIPE, encoding="utf-8")
    assert run_cli(["report", str(maze_run.path), "--kind", "video"]) == 0
    assert capfd.readouterr().out == f"{maze_run.videos}\n"
    assert names(maze_run) == ["beam-search-0.gif"]
    assert run_cli(["report", str(maze_run.path), "--kind", "video", "--set", "reporters.0.episodes=2"]) == 0
    assert names(maze_run) == ["beam-search-0.gif", "beam-search-1.gif"]


def test_of_a_finished_run_only_the_reporters_can_be_changed(
    maze_run: RunDir, capfd: pytest.CaptureFixture[str]
) -> None:
    maze_run.recipe.write_text(RECIPE, encoding="utf-8")
    assert run_cli(["report", str(maze_run.path), "--kind", "video", "--set", "seed=1"]) == 2
    expected = "Error: --set seed=1: of a finished run, only 'reporters' can be changed here\n"
    assert capfd.readouterr() == ("", expected)


def _request(run: RunDir) -> Request:
    return Request(str(run.path), "random", 0, 0, str(run.video("random", 0, "gif")), 1, 10, 64)


def test_a_renderer_that_hangs_is_ended(run: RunDir) -> None:
    assert rendered(_request(run), longest=0.01).problem == "it takes longer than 0 s"


def test_a_renderer_that_crashes_ends_alone(run: RunDir, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.executable", "false")
    assert rendered(_request(run)).problem == "the renderer ended with 1"
