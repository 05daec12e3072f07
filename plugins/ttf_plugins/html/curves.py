"""Learning curves."""

from __future__ import annotations

from math import ceil
from typing import TYPE_CHECKING

from ttf.paper import BLUE, GREEN, INK, PURPLE, RED, WIDTH, Picture, draw

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from ttf_plugins.html.documents import Metric

_ABREAST = 3
"""Learners' losses drawn beside each other."""

_PARTS = (
    ("loss_observation", "observation", BLUE),
    ("loss_action", "action", RED),
    ("loss_reward", "reward", GREEN),
    ("loss_value", "value", PURPLE),
)


def curves_picture(metrics: Sequence[Metric]) -> Picture:
    """Losses, learning rate and gradient norm over the updates."""
    train = [record for record in metrics if record.kind == "train"]
    held_out = [record for record in metrics if record.kind == "validation"]

    def paint(figure: Figure) -> None:
        (losses, parts), (rate, norm) = figure.subplots(2, 2, sharex=True)
        _line(losses, train, "loss", "training", BLUE)
        _line(losses, held_out, "loss", "validation", RED, marker="o")
        _dress(losses, "Loss", "nats per token, weighted")
        for field, label, color in _PARTS:
            _line(parts, held_out, field, label, color, marker="o")
        _dress(parts, "Validation loss by part", "nats per token")
        _line(rate, train, "learning_rate", "", INK)
        _dress(rate, "Learning rate", "learning rate")
        rate.set_ylim(bottom=0)
        _line(norm, train, "gradient_norm", "", INK)
        _dress(norm, "Gradient norm, before clipping", "Euclidean norm")
        for axes in (rate, norm):
            axes.set_xlabel("update")

    return Picture(
        "Learning curves",
        "Training loss and gradient norm are means since the record before. Validation loss is that of held-out "
        "episodes, weighted as in training on the left, and unweighted by what is predicted on the right.",
        draw(WIDTH, 4.4, paint),
    )


def learners_picture(records: Sequence[Metric]) -> Picture:
    """Every loss of critics and baselines over their updates."""
    losses = dict.fromkeys((record.learner or "", name) for record in records for name in record.losses)
    rows = max(1, ceil(len(losses) / _ABREAST))

    def paint(figure: Figure) -> None:
        for place, (learner, name) in enumerate(losses, start=1):
            axes = figure.add_subplot(rows, _ABREAST, place)
            mine = [record for record in records if record.learner == learner and name in record.losses]
            marker = "" if len(mine) > 1 else "o"
            axes.plot([r.step for r in mine], [r.losses[name] for r in mine], color=INK, marker=marker, linewidth=1.1)
            axes.set_title(f"{learner}: {name.replace('_', ' ')}")
            axes.set_xlabel("update")

    caption = "What the critic and the baselines minimise, each the mean since the record before."
    return Picture("Critic and baselines", caption, draw(WIDTH, 2.2 * rows, paint))


def _line(axes: Axes, records: Sequence[Metric], field: str, label: str, color: str, marker: str = "") -> None:
    points = [(record.step, value) for record in records if (value := getattr(record, field)) is not None]
    if points:
        steps, values = zip(*points, strict=True)
        axes.plot(steps, values, label=label, color=color, marker=marker, markersize=2.8, linewidth=1.1)


def _dress(axes: Axes, title: str, label: str) -> None:
    axes.set_title(title)
    axes.set_ylabel(label)
    if len(axes.lines) == 0:
        axes.text(0.5, 0.5, "not recorded", transform=axes.transAxes, ha="center", color="#888888")
    elif any(not str(line.get_label()).startswith("_") for line in axes.lines):
        axes.set_title(title, pad=16)
        axes.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=4, handlelength=1.2, columnspacing=1, borderpad=0.2)
