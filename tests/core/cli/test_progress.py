from __future__ import annotations

import io

import pytest
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn

from ttf.cli.progress import BarProgress, LineProgress, Pace, duration, make_progress


class Clock:
    """A clock that stands still until it is told otherwise."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr("ttf.cli.progress.time.monotonic", clock)
    return clock


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.4, "0 s"), (59.4, "59 s"), (60, "1:00 min"), (3599, "59:59 min"), (3600, "1:00 h"), (100_000, "27:46 h")],
)
def test_a_duration_is_said_as_people_do(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def test_a_pace_says_how_far_how_fast_how_long_and_the_figures(clock: Clock) -> None:
    pace = Pace(5000, "steps", 0.0, done=1000, skipped=1000)
    clock.now = 2.0
    pace.advance(500, {"loss": 1.23456})
    assert str(pace) == "1,500/5,000 steps  250/s  14 s left  loss 1.235"


def test_a_finished_pace_says_how_long_it_took(clock: Clock) -> None:
    pace = Pace(10, "", 0.0)
    clock.now = 100.0
    pace.advance(10, {})
    assert str(pace) == "10/10  0.1/s  1:40 min"


def test_without_a_terminal_there_is_a_line_every_ten_seconds_and_one_at_the_end(
    clock: Clock, capfd: pytest.CaptureFixture[str]
) -> None:
    progress = LineProgress()
    with progress.task("train", 25, unit="steps") as task:
        for _ in range(25):
            clock.now += 1
            task.advance(loss=clock.now)
    progress.note("done")
    assert capfd.readouterr() == (
        "",
        "train: 10/25 steps  1.0/s  15 s left  loss 10\n"
        "train: 20/25 steps  1.0/s  5 s left  loss 20\n"
        "train: 25/25 steps  1.0/s  25 s  loss 25\n"
        "done\n",
    )


def test_lines_are_used_when_stderr_is_no_terminal() -> None:
    with make_progress() as progress:
        assert isinstance(progress, LineProgress)


def test_bars_end_full_with_the_figures(clock: Clock) -> None:
    screen = io.StringIO()
    console = Console(file=screen, force_terminal=True, highlight=False, width=100, no_color=True)
    columns = (TextColumn("{task.description}"), BarColumn(10), TextColumn("{task.fields[pace]}", markup=False))
    with Progress(*columns, console=console, auto_refresh=False) as bars:
        progress = BarProgress(bars)
        with progress.task("train", 4, done=2, unit="steps") as task:
            clock.now = 2.0
            task.advance(2, loss=0.5)
        progress.note("[x] a note")
    lines = screen.getvalue().splitlines()
    assert any("[x] a note" in line for line in lines)
    assert "train" in lines[-2]
    assert "4/4 steps  1.0/s  2 s  loss 0.5" in lines[-2]
