"""The checker of the analysis contract."""

from __future__ import annotations

import json
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

import torch

from ttf.errors import DataError, RecipeError
from ttf.interfaces.analysis import Subject
from ttf.testing.configuration import check_configuration
from ttf.testing.corridor import CorridorConfig
from ttf.testing.quiet import Quiet
from ttf.testing.requirement import require
from ttf.testing.stand_ins import BagConfig, corridor_rows, fitted, made
from ttf.testing.untouched import check_unchanged, tensors_of, untouched

if TYPE_CHECKING:
    from collections.abc import Callable

    from ttf.component import AnalysisConfig
    from ttf.episodes import Rows
    from ttf.interfaces.analysis import Analysis

T = TypeVar("T")

BINS = 12


def check_analysis(config: AnalysisConfig) -> None:
    """Check everything the contract says of an analysis, on a small model of walks along a corridor.

    Walks have 2 to 12 steps, the model sees 3 transitions and offers its attention.

    Args:
        config: the component, small.

    Raises:
        AssertionError: the contract is broken; the message says how.
    """
    check_configuration(config)
    analysis = config.build()
    for goal_columns in ((), (0,)):
        subject = _subject(config, goal_columns)
        before = _contents(subject)
        _pass(analysis, subject)
        _check_untouched("check", subject, before)
        found = _found(analysis, subject, seed=1)
        _check_untouched("run", subject, before)
        _found(analysis, replace(subject, held_out=subject.training), seed=2)
        for repeated in (analysis, config.build()):
            require(
                _found(repeated, subject, seed=1, others=2) == found,
                "equal seeds find other things; draw from the seed only, and keep nothing from one run to the next",
            )
        _check_scarce(analysis, subject)


def _subject(config: AnalysisConfig, goal_columns: tuple[int, ...]) -> Subject:
    """What a run without anything that the analysis does not require can be asked."""
    training, held_out = (corridor_rows(seed, goal_columns=goal_columns) for seed in (0, 1))
    discretizer = fitted(training, BINS)
    model = made(lambda: BagConfig(context=3).build(training.layout, BINS))
    has_model = "model" in config.requires
    return Subject(
        CorridorConfig(),
        training,
        held_out,
        discretizer if has_model or "discretizer" in config.requires else None,
        model if has_model else None,
        torch.device("cpu"),
    )


def _pass(analysis: Analysis, subject: Subject, *, others: int = 1) -> None:
    refusal = _told("check", partial(analysis.check, subject), subject, others)
    require(
        refusal is None,
        f"check refuses a model that offers all that models may: {refusal!r}; return None where run has an answer",
    )


def _told(method: str, ask: Callable[[], T], subject: Subject, others: int) -> T:
    """What a method returns, which leaves everything global alone."""
    with untouched(method, seed=others):
        try:
            return ask()
        except (AttributeError, AssertionError) as error:
            if subject.model is not None:
                raise
            message = (
                f"{method} fails without a model, which requires does not name: {error!r}; name in it what it needs"
            )
            raise AssertionError(message) from error


def _found(analysis: Analysis, subject: Subject, *, seed: int, others: int = 1) -> str:
    """What an analysis finds, as JSON."""
    _pass(analysis, subject, others=others)
    findings = _told("run", partial(analysis.run, subject, seed=seed, progress=Quiet()), subject, others)
    require(findings.title, "the findings have no title; a report puts it above them")
    require(findings.text, "the findings have no text; say in a paragraph what was asked and what came out")
    try:
        return json.dumps(findings.as_json(), allow_nan=False)
    except (TypeError, ValueError) as error:
        message = f"the findings cannot be saved: {error}; put Python's own numbers and text into them"
        raise AssertionError(message) from error


def _contents(subject: Subject) -> dict[str, torch.Tensor]:
    """Copies of everything that a subject holds, by what it is called."""
    contents: dict[str, Any] = {}
    for name, rows in (("training", subject.training), ("held_out", subject.held_out)):
        for field in ("values", "lengths", "terminated", "goals"):
            contents[f"{name}.{field}"] = torch.from_numpy(getattr(rows, field).copy())
    for name, module in (("discretizer", subject.discretizer), ("model", subject.model)):
        if module is not None:
            contents |= {f"the {name}'s {key}": tensor for key, tensor in tensors_of(module).items()}
    return contents


def _check_untouched(method: str, subject: Subject, before: dict[str, torch.Tensor]) -> None:
    """The subject is what it was, mode and gradients included."""
    check_unchanged(method, _contents(subject), before, "an analysis changes nothing of what it is given")
    if subject.model is not None:
        require(not subject.model.training, f"{method} left the model in training mode; it came in evaluation mode")
        learns = any(parameter.requires_grad for parameter in subject.model.parameters())
        require(not learns, f"{method} left parameters of the model with gradients; they came without")


def _check_scarce(analysis: Analysis, subject: Subject) -> None:
    """Without held-out episodes, or with the shortest ones only, there are findings or one clear error."""
    none = subject.held_out.select(subject.held_out.lengths[:0])
    scarce = {
        "without held-out episodes": replace(subject, held_out=none),
        "with episodes of two steps": replace(
            subject, training=_shortened(subject.training), held_out=_shortened(subject.held_out)
        ),
    }
    for case, less in scarce.items():
        try:
            _found(analysis, less, seed=1)
        except AssertionError:
            raise
        except (DataError, RecipeError):
            pass
        except Exception as error:
            message = f"{case}, {error!r} was raised; answer, or raise a DataError that says what is missing"
            raise AssertionError(message) from error


def _shortened(rows: Rows) -> Rows:
    """The first two steps of every episode."""
    starts = rows.lengths.cumsum() - rows.lengths
    values = rows.sequences(starts, 2, 1).reshape(-1, rows.layout.width)
    return replace(rows, values=values, lengths=0 * rows.lengths + 2)
