"""What the discretizer loses, and which bins no value falls into."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ttf.paper import BLUE, GREY, RED, WIDTH, Picture, draw

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from ttf_plugins.html.documents import Column, DiscretizerInfo

NAMED = 60


def bins_picture(info: DiscretizerInfo) -> Picture:
    """Reconstruction error relative to the range, and live and dead bins, a line per column."""
    columns = info.columns
    rows = range(len(columns))
    means = [percent(c, c.error_mean) for c in columns]
    largest = [percent(c, c.error_max) for c in columns]

    def paint(figure: Figure) -> None:
        error, bins = figure.subplots(1, 2, sharey=True)
        error.hlines(rows, means, largest, colors=GREY)
        error.plot(means, rows, "o", color=BLUE, markersize=4, clip_on=False, label="mean")
        error.plot(largest, rows, "|", color=RED, markersize=7, clip_on=False, label="largest")
        error.set_xlabel("reconstruction error, % of the column's range")
        error.set_xlim(left=0)
        bins.barh(rows, [c.live for c in columns], color=BLUE, height=0.6, label="live")
        bins.barh(rows, [c.dead for c in columns], left=[c.live for c in columns], color=GREY, height=0.6, label="dead")
        bins.set_xlabel("bins")
        for axes in (error, bins):
            axes.grid(visible=False, axis="y")
            axes.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=2, borderaxespad=0.1)
        if len(columns) <= NAMED:
            error.set(yticks=rows, yticklabels=[c.name for c in columns])
        else:
            error.set_ylabel("column of the transition")
        error.set_ylim(len(columns) - 0.5, -0.5)

    return Picture(
        "Discretizer",
        "Difference between a value and what its token decodes to, for every column of a transition; and how many "
        "bins hold values of the training data (live) or none (dead).",
        draw(WIDTH, 0.2 * min(len(columns), NAMED) + 1.0, paint),
    )


def percent(column: Column, error: float) -> float:
    """An error in percent of the column's range; a constant column has none."""
    return 100 * error / column.range if column.range > 0 else 0.0
