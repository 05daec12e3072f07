"""How the episodes of each policy are spread."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ttf.paper import BLUE, INK, RED, WIDTH, Picture, draw

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from ttf_plugins.html.documents import EpisodeRecord, Estimate, PolicyResult


def spread_picture(
    episodes: Sequence[EpisodeRecord], policies: Sequence[str], results: Sequence[PolicyResult]
) -> Picture:
    """Steps and return of every episode, a line per policy, with the means and intervals of the table."""

    def paint(figure: Figure) -> None:
        steps, returns = figure.subplots(1, 2, sharey=True)
        for row, policy in enumerate(policies):
            of_policy = [record for record in episodes if record.policy == policy]
            failed = np.array([record.success is False for record in of_policy], dtype=bool)
            _strip(steps, row, np.array([record.steps for record in of_policy], dtype=np.float64), failed)
            _strip(returns, row, np.array([record.returns for record in of_policy], dtype=np.float64), failed)
        for result in results:
            _mean(steps, policies.index(result.policy), result.steps)
            _mean(returns, policies.index(result.policy), result.returns)
        steps.set(yticks=range(len(policies)), yticklabels=policies, ylim=(len(policies) - 0.5, -0.5))
        steps.set_xlabel("steps per episode")
        returns.set_xlabel("return per episode, undiscounted")
        for axes in (steps, returns):
            axes.grid(visible=False, axis="y")

    failures = any(record.success is False for record in episodes)
    return Picture(
        "Every evaluation episode",
        "A dot per episode, moved up or down at random to be seen"
        + (", red where it failed" if failures else "")
        + "; the black dot is the mean, the bar its 95 % interval.",
        draw(WIDTH, 0.55 * len(policies) + 0.8, paint),
    )


def _strip(axes: Axes, row: int, values: np.ndarray[tuple[int], np.dtype[np.float64]], failed: object) -> None:
    heights = row + np.random.default_rng(row).uniform(-0.3, 0.3, len(values))
    colors = np.where(failed, RED, BLUE)  # type: ignore[call-overload]
    axes.scatter(values, heights, s=9, c=colors, alpha=0.45, linewidths=0)


def _mean(axes: Axes, row: int, cell: Estimate) -> None:
    if cell.low is not None and cell.high is not None:
        axes.plot([cell.low, cell.high], [row, row], color=INK, linewidth=1.6, zorder=4)
    axes.plot(cell.estimate, row, marker="o", markersize=4.5, color=INK, markeredgecolor="white", zorder=5)
