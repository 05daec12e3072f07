"""Trajectories and plans in a world seen from above."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from matplotlib.collections import LineCollection, PolyCollection
from matplotlib.lines import Line2D

from ttf.paper import EPISODES, INK, LIGHT_BLUE, RED, WIDTH, Picture, draw

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from matplotlib.artist import Artist
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from ttf.floor import World
    from ttf.trajectories import Trajectory

SHOWN = 12
PLANNED = 6
PLANS = 12


def behaviour_picture(
    scene: World, trajectories: Mapping[str, Sequence[Trajectory]], success: Mapping[tuple[str, int], bool | None]
) -> Picture:
    """Every policy's trajectories, a panel each with shared axes."""
    columns = 2 if len(trajectories) == 4 else min(len(trajectories), 3)

    def paint(figure: Figure) -> None:
        for axes, (policy, items) in zip(
            _panels(figure, len(trajectories), columns), trajectories.items(), strict=True
        ):
            axes.set_title(policy)
            _paint_walls(axes, scene)
            for item in items[:SHOWN]:
                _paint_episode(axes, scene, item, EPISODES[item.episode % len(EPISODES)], 1.2, success)
        figure.legend(handles=_legend(scene), loc="outside lower center", ncols=4)

    height = _height(scene, len(trajectories), columns)
    shown = max(min(len(items), SHOWN) for items in trajectories.values())
    return Picture(
        "Trajectories from above",
        f"The first {shown} evaluation episodes of each policy. An episode has the same colour, start and goal in "
        "every panel; position in the units of the observation.",
        draw(WIDTH, height, paint),
    )


def plans_picture(
    scene: World, trajectories: Sequence[Trajectory], success: Mapping[tuple[str, int], bool | None]
) -> Picture:
    """The planner's trajectories with the plans it made on the way, a panel per episode."""
    items = [item for item in trajectories if item.looks_ahead][:PLANNED]
    columns = min(len(items), 3)

    def paint(figure: Figure) -> None:
        for axes, item in zip(_panels(figure, len(items), columns), items, strict=True):
            axes.set_title(f"episode {item.episode}, {len(item.observations) - 1} steps")
            _paint_walls(axes, scene)
            plans = [scene.positions(plan) for _, plan in item.some_plans(PLANS)]
            axes.add_collection(LineCollection(plans, colors=RED, linewidths=0.8, zorder=4))
            starts = np.array([plan[0] for plan in plans])
            axes.scatter(starts[:, 0], starts[:, 1], s=4, color=RED, linewidths=0, zorder=4)
            _paint_episode(axes, scene, item, LIGHT_BLUE, 2.6, success)
        handles: list[Artist] = [Line2D([], [], color=LIGHT_BLUE, linewidth=2.6, label="taken")]
        handles += [Line2D([], [], color=RED, linewidth=0.8, label="planned")]
        figure.legend(handles=handles + _legend(scene), loc="outside lower center", ncols=6)

    return Picture(
        "Imagined plans",
        f"The first {len(items)} episodes of {items[0].policy} that have plans, with at most {PLANS} plans each, "
        "evenly spread. A dot marks where a plan was made; the line from it is what the planner expected to happen.",
        draw(WIDTH, _height(scene, len(items), columns), paint),
    )


def _panels(figure: Figure, count: int, columns: int) -> list[Axes]:
    grid = figure.subplots(-(-count // columns), columns, sharex=True, sharey=True, squeeze=False)
    for axes in grid.flat[count:]:
        axes.set_axis_off()
    for axes in grid[:, 0]:
        axes.set_ylabel("y")
    for axes in grid.flat[max(count - columns, 0) : count]:
        axes.set_xlabel("x")
        axes.tick_params(labelbottom=True)
    return list(grid.flat[:count])


def _height(scene: World, count: int, columns: int) -> float:
    """Inches for ``count`` panels and a legend; a single row is kept from filling the page."""
    rows = -(-count // columns)
    panel = (WIDTH - 0.4) / columns * scene.aspect + 0.7  # with its title, tick labels and label
    return min(rows * panel + 0.5, 5.0 if rows == 1 else max(9.0, 1.6 * rows))


def _paint_walls(axes: Axes, scene: World) -> None:
    axes.add_collection(PolyCollection(scene.walls, facecolors="#D9D9D9", edgecolors="#D9D9D9", linewidths=0.3))
    margin = 0.03 * (scene.high[0] - scene.low[0])
    axes.set(xlim=(scene.low[0] - margin, scene.high[0] + margin), ylim=(scene.low[1] - margin, scene.high[1] + margin))
    axes.set_aspect("equal")
    axes.grid(visible=False)


def _paint_episode(
    axes: Axes, scene: World, item: Trajectory, color: str, width: float, success: Mapping[tuple[str, int], bool | None]
) -> None:
    path = scene.positions(item.observations)
    axes.plot(path[:, 0], path[:, 1], color=color, linewidth=width, zorder=3)
    axes.plot(*path[0], marker="o", markersize=4.5, markerfacecolor="white", markeredgecolor=color, zorder=5)
    goal = scene.goal(item)
    if goal is not None:
        axes.plot(*goal, marker="*", markersize=8, color=color, markeredgecolor="white", markeredgewidth=0.5, zorder=6)
    if success.get((item.policy, item.episode)) is False:
        axes.plot(*path[-1], marker="x", markersize=5, color=color, markeredgewidth=1.4, zorder=6)


def _legend(scene: World) -> list[Artist]:
    marks = [_mark("o", "start", "white"), _mark("x", "end of a failed episode", INK)]
    has_goal = scene.floor.goal is not None or scene.floor.fixed_goal is not None
    return marks if not has_goal else [marks[0], _mark("*", "goal", INK), marks[1]]


def _mark(marker: str, label: str, face: str) -> Artist:
    return Line2D([], [], marker=marker, label=label, linestyle="none", color=INK, markerfacecolor=face)
