"""Average attention maps, and what share of it goes where."""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING, final

import torch

from ttf.errors import DataError
from ttf.findings import Axis, Findings, Map, MapFigure
from ttf.goals import encode_goal
from ttf.interfaces.analysis import Analysis
from ttf.interfaces.model import HasAttention
from ttf_plugins.attention.shares import measure, patterns, table

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch import Tensor

    from ttf.interfaces.analysis import Subject
    from ttf.interfaces.discretizer import Discretizer
    from ttf.interfaces.model import SequenceModel
    from ttf.interfaces.progress import Progress
    from ttf.layout import Layout
    from ttf_plugins.attention import AttentionConfig

WINDOWS_AT_ONCE = 16

FEWEST = 2
"""Transitions of a window: the one that is predicted, and one before."""


@final
class AttentionAnalysis(Analysis):
    """Reads windows, and keeps where the predictions of their last transition look."""

    def __init__(self, config: AttentionConfig) -> None:
        self.config = config

    def check(self, subject: Subject) -> str | None:
        """Ask whether the model looks at transitions before.

        Raises:
            DataError: no episode is long enough.
        """
        model = subject.model
        assert model is not None  # noqa: S101  (required)
        if not isinstance(model, HasAttention):
            return f"the model ({type(model).__name__}) has no attention; a gpt has"
        if model.context < FEWEST:
            return f"a model of single transitions looks at none before; model.context {FEWEST}"
        _starts(subject, self._count(model))
        return None

    def run(self, subject: Subject, *, seed: int, progress: Progress) -> Findings:  # noqa: ARG002  (nothing is random)
        """Average the maps of windows."""
        model, discretizer = subject.model, subject.discretizer
        assert model is not None  # noqa: S101  (required)
        assert discretizer is not None  # noqa: S101  (a model requires one)
        count = self._count(model)
        tokens, goals = _windows(subject, discretizer, count, self.config.windows)
        weights = _averaged(model, tokens, goals, progress)
        return _findings(weights, model.layout, count, subject, len(tokens))

    def _count(self, model: SequenceModel) -> int:
        """Transitions of a window."""
        return min(self.config.transitions, model.context)


def _starts(subject: Subject, count: int) -> Tensor:
    """The rows from which windows of ``count`` transitions lie within one episode.

    Raises:
        DataError: there are none.
    """
    rows, stride = subject.unseen, subject.data.stride
    possible = torch.from_numpy(rows.starts(count, stride))
    if len(possible) == 0:
        message = (
            f"attention: no episode is long enough: {count} transitions need {(count - 1) * stride + 1} recorded "
            f"steps, the longest of the {subject.unseen_name} has {int(rows.lengths.max())}; lower transitions"
        )
        raise DataError(message)
    return possible


def _windows(subject: Subject, discretizer: Discretizer, count: int, wanted: int) -> tuple[Tensor, Tensor]:
    """Tokens (S, L) of windows of ``count`` transitions, evenly spread over all there are, and goals (S, G)."""
    rows, possible = subject.unseen, _starts(subject, count)
    wanted = min(wanted, len(possible))
    chosen = possible[torch.arange(wanted) * len(possible) // wanted].numpy()
    values = torch.from_numpy(rows.sequences(chosen, count, subject.data.stride)).to(subject.device)
    goals = torch.from_numpy(rows.goals[rows.episode(chosen)]).to(subject.device)
    return discretizer.encode(values).flatten(1)[:, :-1], encode_goal(discretizer, goals)


def _averaged(model: SequenceModel, tokens: Tensor, goals: Tensor, progress: Progress) -> Tensor:
    """Mean weights (layers, heads, D, G + L) of the predictions of the last transition."""
    assert isinstance(model, HasAttention)  # noqa: S101  (checked before)
    total = torch.zeros(())
    with progress.task("attention", len(tokens), unit="windows") as task:
        for some, aims in zip(torch.split(tokens, WINDOWS_AT_ONCE), torch.split(goals, WINDOWS_AT_ONCE), strict=True):
            weights = model.attention(some, aims if model.layout.goal else None)
            total = total + weights[..., -model.layout.width :, :].cpu().double().sum(1)
            task.advance(len(some))
    return total / len(tokens)


def _findings(weights: Tensor, layout: Layout, count: int, subject: Subject, windows: int) -> Findings:
    names = [[f"layer {layer + 1}, head {head + 1}" for head in range(len(some))] for layer, some in enumerate(weights)]
    heads = dict(zip(chain(*names), weights.flatten(0, 1), strict=True))
    shares = {name: measure(one, layout, count) for name, one in heads.items()}
    return Findings(
        "Where the model looks",
        f"Attention behind the predictions of a transition, averaged over {windows} windows of {count} transitions "
        f"from {subject.unseen_name}. {patterns(list(shares.values()), layout, count)}",
        tables=[table(shares, layout)],
        maps=[_figure(heads, layout, count, len(weights[0]))],
    )


def _figure(heads: Mapping[str, Tensor], layout: Layout, count: int, abreast: int) -> MapFigure:
    sizes = [*[layout.width] * (count - 1), layout.block(1)]
    names = [*(f"t\N{MINUS SIGN}{count - 1 - i}" for i in range(count - 1)), "t"]
    goals = ([layout.goal], ["goal"]) if layout.goal else ([], [])
    parts, letters = [layout.observation, layout.action, 1, 1], ["s", "a", "r", ""]
    return MapFigure(
        "Attention",
        "Each row is the prediction of a column of transition t, each column a token that is looked at; lines separate "
        "transitions, within which tokens stand in the order of the rows: states (s), actions (a), the reward (r) and "
        "the value. Values that came before are hidden from the model: the last column of their transition is white. "
        "A Markovian head is dark in the last two blocks only; a striated one has a diagonal in every block.",
        Axis("predicted", list(layout.names)),
        Axis(
            "token looked at, by transition",
            [*goals[1], *names],
            [*goals[0], *sizes],
            [*goals[0], *(parts * count)[:-1]],
            ["" for _ in goals[0]] + (letters * count)[:-1],
        ),
        "attention weight",
        [Map(name, weights.tolist()) for name, weights in heads.items()],
        abreast=min(abreast, 4),
        color_scale="sqrt",
    )
