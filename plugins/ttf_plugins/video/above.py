"""An episode from above, frame by frame: the maze, the way so far, and the plan of the moment."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib import rc_context
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.collections import PolyCollection
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from ttf.paper import BLUE, GREEN, PURPLE, RED

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from matplotlib.axes import Axes
    from matplotlib.text import Text
    from matplotlib.typing import RcKeyType

    from ttf.floor import World
    from ttf.trajectories import Array, Trajectory
    from ttf_plugins.video.files import Frame

WALL, FLOOR, INK, GREY = "#C4CAD3", "#FFFFFF", "#1F2933", "#6B7480"
WAY, PLAN, GOAL, FAILED = BLUE, RED, GREEN, PURPLE

DPI = 100
HEADER, FOOTER, MARGIN = 0.08, 0.07, 0.02
"""Shares of the longer side for the words above, those below, and the space around the world."""

_STYLE: dict[RcKeyType, Any] = {"font.family": ["DejaVu Sans"], "text.parse_math": False, "path.simplify": True}


class Scene:
    """One episode in its world.

    Args:
        world: what is drawn.
        item: the episode.
        success: how it ended; None where that is not known.
        size: pixels of the longer side of the world.
    """

    def __init__(self, world: World, item: Trajectory, success: bool | None, size: int) -> None:
        self._world, self._item, self._success = world, item, success
        self._unit = size / 720  # everything grows with the picture
        with rc_context(_STYLE):
            self._figure, self._axes = self._background(size)
            self._moving = self._artists()
        self._canvas: Any = FigureCanvasAgg(self._figure)  # matplotlib does not say its methods' types

    def frames(self, every: int) -> Iterator[Frame]:
        """A frame for every so many steps, and one for the end."""
        with rc_context(_STYLE):
            self._canvas.draw()
            background = self._canvas.copy_from_bbox(self._figure.bbox)
            last = len(self._item.observations) - 1
            for step in [*range(0, last, every), last]:
                self._canvas.restore_region(background)
                self._move(step, last)
                for artist in self._moving.values():
                    self._figure.draw_artist(artist)
                yield np.asarray(self._canvas.buffer_rgba())[:, :, :3].copy()

    def _background(self, size: int) -> tuple[Figure, Axes]:
        """Everything that stands still."""
        low, high = np.array(self._world.low), np.array(self._world.high)
        margin = MARGIN * float(max(high - low))
        low, high = low - margin, high + margin
        width, height = (high - low) / max(high - low) * size
        pixels = (_even(width), _even(height + (HEADER + FOOTER) * size))
        figure = Figure(figsize=(pixels[0] / DPI, pixels[1] / DPI), dpi=DPI, facecolor=FLOOR)
        axes = figure.add_axes((0, FOOTER * size / pixels[1], 1, height / pixels[1]))
        axes.set(xlim=(low[0], high[0]), ylim=(low[1], high[1]))
        axes.set_axis_off()
        axes.add_collection(PolyCollection(self._world.walls, facecolors=WALL, edgecolors=WALL, linewidths=0.5))
        start = self._world.positions(self._item.observations)[0]
        axes.add_line(self._mark("start", start, 12))
        goal = self._world.goal(self._item)
        if goal is not None:
            axes.add_line(self._mark("goal", goal, 26))
        title = f"{self._item.policy}, episode {self._item.episode}"
        figure.text(
            0.025, self._middle(figure), title, fontsize=self._points(19), color=INK, va="center", weight="bold"
        )
        figure.legend(
            handles=self._legend(),
            loc="center",
            bbox_to_anchor=(0.5, FOOTER * size / pixels[1] / 2),
            ncols=4,
            frameon=False,
            fontsize=self._points(15),
            labelcolor=GREY,
        )
        return figure, axes

    def _legend(self) -> list[Line2D]:
        """What the colours mean."""
        handles = [Line2D([], [], color=WAY, linewidth=4 * self._unit, label="taken")]
        if self._item.looks_ahead:
            handles.append(Line2D([], [], color=PLAN, linewidth=3 * self._unit, label="planned"))
        if self._world.goal(self._item) is not None:
            handles.append(self._mark("goal", None, 18))
        return [self._mark("start", None, 10), *handles]

    def _mark(self, label: str, place: Array | None, size: float) -> Line2D:
        """Start or goal; without a place, for the legend."""
        shape, face, edge = ("*", GOAL, FLOOR) if label == "goal" else ("o", FLOOR, GREY)
        return Line2D(
            [] if place is None else [place[0]],
            [] if place is None else [place[1]],
            linestyle="none",
            marker=shape,
            markerfacecolor=face,
            markeredgecolor=edge,
            markeredgewidth=2 * self._unit,
            markersize=size * self._unit,
            label=label,
            zorder=3,
        )

    def _middle(self, figure: Figure) -> float:
        """The middle of the words above, as a share of the height."""
        return 1 - HEADER * 720 * self._unit / DPI / figure.get_figheight() / 2

    def _artists(self) -> dict[str, Line2D | Text]:
        """Everything that moves, the undermost first."""
        axes, unit = self._axes, self._unit
        (way,) = axes.plot([], [], color=WAY, linewidth=4 * unit, alpha=0.75, solid_capstyle="round", animated=True)
        (plan,) = axes.plot([], [], color=PLAN, linewidth=3 * unit, marker="o", markersize=5.5 * unit, animated=True)
        (body,) = axes.plot([], [], "o", color=WAY, markersize=15 * unit, markeredgecolor=FLOOR, animated=True)
        said = self._figure.text(
            0.975, self._middle(self._figure), "", fontsize=self._points(16), va="center", ha="right", animated=True
        )
        return {"way": way, "plan": plan, "body": body, "said": said}

    def _move(self, step: int, last: int) -> None:
        path = self._world.positions(self._item.observations)
        self._line("way", path[: step + 1])
        self._line("body", path[step : step + 1])
        made = max((at for at in self._item.plans if at <= step), default=None)
        plan = self._world.positions(self._item.plans[made]) if made is not None and step < last else path[:0]
        self._line("plan", plan)
        said = self._moving["said"]
        said.set(text=f"step {step} of {last}", color=GREY)
        if step == last and self._success is not None:
            said.set(
                text=f"goal reached after {last} steps" if self._success else f"not reached in {last} steps",
                color=GOAL if self._success else FAILED,
            )

    def _line(self, name: str, points: Array | Sequence[Array]) -> None:
        artist, points = self._moving[name], np.asarray(points)
        assert isinstance(artist, Line2D)  # noqa: S101  (the only text is what is said)
        artist.set_data(points[:, 0], points[:, 1])

    def _points(self, pixels: float) -> float:
        """The size of letters, for a world of 720 pixels."""
        return pixels * self._unit * 72 / DPI


def _even(pixels: float) -> int:
    """An even number of pixels, as video formats have colours for pairs."""
    return 2 * round(pixels / 2)
