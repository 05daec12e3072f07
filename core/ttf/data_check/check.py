"""Check the data of a recipe: open it as a run would, then look at it from every side."""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING, Any

import numpy as np

from ttf.data_check.actions import actions
from ttf.data_check.alignment import order, repeats, shifts
from ttf.data_check.ends import ends
from ttf.data_check.report import Finding, Report, ordered
from ttf.data_check.rewards import rewards
from ttf.data_check.setting import setting_of
from ttf.data_check.structure import duplicates, size, usable, windows
from ttf.data_check.subject import Setting, Subject
from ttf.data_check.tokens import tokenised, tokens
from ttf.data_check.values import coarse_floats, columns, constants, heavy_tails
from ttf.errors import DataError
from ttf.prepare import make_data, open_source, statistics

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from ttf.interfaces.data import DataSource, Episode
    from ttf.interfaces.progress import Progress
    from ttf.recipe import Recipe

CHECKS: tuple[Callable[[Subject], Iterator[Finding]], ...] = (
    ends,
    duplicates,
    size,
    windows,
    constants,
    coarse_floats,
    heavy_tails,
    repeats,
    order,
    shifts,
    actions,
    rewards,
)
"""What is asked of every data set, in order."""


def check_data(recipe: Recipe, progress: Progress) -> Report:
    """Open or collect the data of a recipe and check it.

    Raises:
        DataError: the data set is missing, or cannot be opened at all.
    """
    source = open_source(recipe, progress)
    episodes = source.episodes()
    numbers, findings = usable(episodes)
    if not numbers:
        return Report(source.provenance.id, {"episodes": len(episodes), "usable": 0}, [], ordered(findings))
    subject, more = _subject(recipe, source, [episodes[number] for number in numbers], numbers)
    findings += more
    findings += chain.from_iterable(check(subject) for check in CHECKS)
    records = tokenised(subject)
    if records is not None:
        findings += tokens(subject, records)
    described = columns(subject.rows, records) if subject.rows is not None else []
    summary = {"episodes": len(episodes), **_summary(subject), "sha256": source.provenance.sha256}
    return Report(source.provenance.id, summary, described, ordered(findings))


def _subject(
    recipe: Recipe, source: DataSource, episodes: list[Episode], numbers: list[int]
) -> tuple[Subject, list[Finding]]:
    """What is checked, and what was wrong with making rows of it."""
    try:
        data = make_data(recipe, source, episodes)
    except DataError as error:
        advice = "a run ends with the same message; the checks of columns and tokens were left out"
        refused = Finding("refused", "error", str(error), "the data as the recipe has it", advice)
        return Subject(recipe, episodes, numbers, None, None), [refused]
    setting, findings = setting_of(recipe, data)
    return Subject(recipe, episodes, numbers, setting, data.rows), findings


def _summary(subject: Subject) -> dict[str, Any]:
    """Counts, lengths, ends, returns and what they are compared with."""
    counts = statistics(subject.episodes)
    discount = subject.recipe.data.discount
    return {
        "usable": len(subject.episodes),
        "transitions": counts["steps"],
        "observation": subject.episodes[0].observations.shape[1],
        "action": subject.episodes[0].actions.shape[1],
        "length": {**counts["length"], "median": float(np.median(subject.lengths))},
        "terminated": int(subject.terminated.sum()),
        "cut_off": int((~subject.terminated).sum()),
        "return": {**counts["return"], "quartiles": _quartiles(subject)},
        "discount": discount,
        "value_horizon": None if discount == 1 else 1 / (1 - discount),
        "environment": _described(subject.setting),
    }


def _quartiles(subject: Subject) -> list[float]:
    returns = [float(episode.rewards.sum(dtype=np.float64)) for episode in subject.episodes]
    return [float(value) for value in np.quantile(returns, (0.25, 0.5, 0.75))]


def _described(setting: Setting | None) -> dict[str, Any] | None:
    """The environment as JSON; bounds that are infinite are None."""
    if setting is None:
        return None
    bounds = {
        name: [float(bound) if np.isfinite(bound) else None for bound in values]
        for name, values in (("action_low", setting.low), ("action_high", setting.high))
    }
    return {"id": setting.id, "step_limit": setting.step_limit, **bounds}
