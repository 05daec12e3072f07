"""An episode's observations over time, with the plans made on the way."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from matplotlib.collections import LineCollection
from matplotlib.lines import Line2D

from ttf.paper import LIGHT_BLUE, RED, WIDTH, Picture, draw

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from ttf.trajectories import Trajectory

DIMENSIONS = 8
PLANS = 16


def states_picture(item: Trajectory, names: Sequence[str]) -> Picture:
    """The first dimensions of an episode's observation over time, with plans."""
    dimensions = min(item.observations.shape[1], DIMENSIONS)
    rows = -(-dimensions // 2)

    def paint(figure: Figure) -> None:
        grid = figure.subplots(rows, 2, sharex=True, squeeze=False)
        for dimension, axes in enumerate(grid.flat):
            if dimension < dimensions:
                axes.set_title(names[dimension] if dimension < len(names) else f"observation[{dimension}]")
                _paint(axes, item, dimension)
            else:
                axes.set_axis_off()
        for axes in grid[-1]:
            axes.set_xlabel("environment step")
        handles = [Line2D([], [], color=LIGHT_BLUE, linewidth=2.4, label="seen")]
        handles += [Line2D([], [], color=RED, linewidth=0.8, label="planned")]
        figure.legend(handles=handles[: 2 if item.looks_ahead else 1], loc="outside lower center", ncols=2)

    plans = f", with at most {PLANS} plans evenly spread over the episode" if item.looks_ahead else ""
    return Picture(
        "An episode over time",
        f"Episode {item.episode} of {item.policy}: the first {dimensions} of {item.observations.shape[1]} dimensions "
        f"of the observation, in its own units{plans}.",
        draw(WIDTH, 1.25 * rows + 0.5, paint),
    )


def _paint(axes: Axes, item: Trajectory, dimension: int) -> None:
    axes.plot(item.observations[:, dimension], color=LIGHT_BLUE, linewidth=2.4)
    plans = [
        np.column_stack([np.arange(start, start + len(plan)), plan[:, dimension]])
        for start, plan in item.some_plans(PLANS)
        if dimension < plan.shape[1]
    ]
    axes.add_collection(LineCollection(plans, colors=RED, linewidths=0.8, zorder=3), autolim=True)
    axes.autoscale_view()
