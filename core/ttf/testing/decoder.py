"""The checker of the decoder contract."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from ttf.beam import SearchDecoderConfig
from ttf.errors import RecipeError
from ttf.testing.configuration import check_configuration
from ttf.testing.requirement import require
from ttf.testing.stand_ins import BagConfig, LinearConfig, corridor_rows, fitted, made
from ttf.testing.untouched import check_unchanged, tensors_of, untouched

if TYPE_CHECKING:
    from collections.abc import Callable

    from ttf.component import DecoderConfig
    from ttf.interfaces.critic import Critic
    from ttf.interfaces.decoder import Decoder, Plan
    from ttf.interfaces.discretizer import Discretizer
    from ttf.interfaces.model import SequenceModel
    from ttf.layout import Layout

BATCH, BINS, DISCOUNT = 3, 8, 0.9


@dataclass(frozen=True)
class _Parts:
    """What a decoder is built for."""

    model: SequenceModel
    discretizer: Discretizer
    critic: Critic

    @property
    def layout(self) -> Layout:
        return self.discretizer.layout

    def build(self, config: DecoderConfig) -> Decoder:
        with untouched("building the decoder"):
            return config.build(self.model, self.discretizer, discount=DISCOUNT, critic=self.critic)

    def saved(self) -> dict[str, Tensor]:
        """Everything that planning must leave as it is."""
        parts = {"model": self.model, "discretizer": self.discretizer, "critic": self.critic}
        return {f"the {name}'s {key}": value for name, part in parts.items() for key, value in tensors_of(part).items()}


def check_decoder(config: DecoderConfig) -> None:
    """Check everything the contract says of a decoder, on a small model of walks along a corridor.

    Args:
        config: the component, small: every plan is made a dozen times.

    Raises:
        AssertionError: the contract is broken; the message says how.
    """
    check_configuration(config)
    for goal_columns in ((), (0,)):
        parts = _parts(goal_columns)
        before, decoder = parts.saved(), parts.build(config)
        for past in (0, 1, config.context + 1):
            context = _contexts(parts, past)
            where = f"{past} past transitions"
            plan = _planned(decoder, context, where)
            _check_plan(config, parts, context, plan, where)
            check_unchanged(
                where + ": planning", parts.saved(), before, "a planner leaves what it is built for as it is"
            )
            _check_repeatable(partial(parts.build, config), decoder, context, plan, where)
            _check_rows(decoder, context, plan, where)
        _check_goal(decoder, parts)
        require(not parts.model.training, "planning put the model into training mode; leave it in evaluation mode")
    _check_refusal(config, parts)


def _parts(goal_columns: tuple[int, ...]) -> _Parts:
    """A fitted discretizer with dead bins, a model of four transitions and a critic, all with fresh weights."""
    rows = corridor_rows(goal_columns=goal_columns)
    discretizer = fitted(replace(rows, values=rows.values.round()), BINS)
    layout = discretizer.layout
    model = made(lambda: BagConfig(context=4).build(layout, BINS))
    return _Parts(model, discretizer, made(lambda: LinearConfig().build(layout, discount=DISCOUNT)))


def _contexts(parts: _Parts, past: int) -> Tensor:
    """Random contexts (B, n * D + O) of live tokens."""
    generator = torch.Generator().manual_seed(past)
    values = 10 * torch.rand(BATCH, past + 1, parts.layout.width, generator=generator) - 5
    tokens = parts.discretizer.encode(values)
    return torch.cat([tokens[:, :past].flatten(1), tokens[:, past, parts.layout.observations]], 1)


def _planned(decoder: Decoder, context: Tensor, where: str, *, goal: Tensor | None = None, others: int = 1) -> Plan:
    """A plan from a generator of seed 1, while the global generators follow from another."""
    given, generator = context.clone(), torch.Generator().manual_seed(1)
    aim = None if goal is None else goal.clone()
    with untouched(f"{where}: planning", seed=others):
        plan = decoder.plan(given, generator, aim)
    require(torch.equal(given, context), f"{where}: plan changed the context; clone what you modify")
    require(aim is None or goal is None or torch.equal(aim, goal), f"{where}: plan changed the goal; clone it")
    return plan


def _check_plan(config: DecoderConfig, parts: _Parts, context: Tensor, plan: Plan, where: str) -> None:
    """Shapes, dtypes and tokens are those of a plan that starts here and now."""
    layout, tokens = parts.layout, plan.tokens
    found = f"{tokens.dtype} {tuple(tokens.shape)}"
    right = tokens.dtype == torch.int64 and tokens.ndim == 3 and tokens.shape[1] > 0
    right = right and (tokens.shape[0], tokens.shape[2]) == (len(context), layout.width)
    require(right, f"{where}: plan.tokens is {found}; expected int64 ({len(context)}, horizon, {layout.width})")
    inside = (tokens >= 0) & (tokens <= parts.discretizer.stop)
    require(inside.all(), f"{where}: plan.tokens are outside 0 .. {parts.discretizer.stop}")
    now = context[:, context.shape[1] - layout.observation :]
    starts = torch.equal(tokens[:, 0, layout.observations], now)
    require(starts, f"{where}: the plan does not start with the present observation; put it first")
    if not (isinstance(config, SearchDecoderConfig) and config.stop == "reference"):  # as published
        live = torch.cat([parts.discretizer.live, torch.ones(layout.width, 1, dtype=torch.bool)], 1)
        dead = ~live[torch.arange(layout.width), tokens]
        require(not dead.any(), f"{where}: the plan has tokens of dead bins; never take what live rules out")
    score = plan.score
    right = score.shape == (len(context),) and score.is_floating_point()
    require(right, f"{where}: plan.score is {score.dtype} {tuple(score.shape)}; expected floats ({len(context)},)")
    require(torch.isfinite(score).all(), f"{where}: plan.score is not finite")
    require(not score.requires_grad, f"{where}: plan.score has a gradient; plan within torch.inference_mode()")
    if plan.actions is not None:
        shape, horizon = tuple(plan.actions.shape), tokens.shape[1]
        right = plan.actions.ndim == 3 and (shape[0], shape[2]) == (len(context), layout.action)
        right = right and 0 < shape[1] <= horizon
        require(right, f"{where}: plan.actions is {shape}; expected (B, n, A) with n from 1 to {horizon}")
        require(torch.isfinite(plan.actions).all(), f"{where}: plan.actions are not finite")


def _check_repeatable(build: Callable[[], Decoder], decoder: Decoder, context: Tensor, plan: Plan, where: str) -> None:
    """A plan depends on context and generator alone: not on global generators, plans before, or other decoders."""
    kept = plan.tokens.clone()
    other = build()
    for one in (other, decoder):
        _planned(one, context.flip(0), where)
    _planned(decoder, context[:1], where)
    require(torch.equal(plan.tokens, kept), f"{where}: plan changed a plan returned before; return new tensors")
    for again in (_planned(decoder, context, where, others=2), _planned(other, context, where)):
        same = torch.equal(again.tokens, kept) and torch.equal(again.score, plan.score)
        require(
            same,
            f"{where}: equal generators and contexts give other plans; draw from the generator only, and keep nothing "
            "from one plan to the next",
        )


def _check_rows(decoder: Decoder, context: Tensor, plan: Plan, where: str) -> None:
    """With the same generator, a context's plan does not depend on what the other contexts are."""
    changed = torch.cat([context[:1], context[:1].expand(len(context) - 1, -1)])
    again = _planned(decoder, changed, where)
    require(
        torch.equal(again.tokens[0], plan.tokens[0]) and torch.allclose(again.score[0], plan.score[0]),
        f"{where}: a context's plan depends on the other contexts; rows must not depend on each other",
    )


def _check_goal(decoder: Decoder, parts: _Parts) -> None:
    """No goal is an unknown one, and where there can be one it changes the plan."""
    context, goals = _contexts(parts, 1), parts.layout.goal
    unknown = torch.full((BATCH, goals), parts.discretizer.stop)
    none = _planned(decoder, context, "no goal")
    hidden = _planned(decoder, context, "an unknown goal", goal=unknown)
    same = torch.equal(none.tokens, hidden.tokens) and torch.allclose(none.score, hidden.score)
    require(same, "no goal gives another plan than an unknown one; hand goal on to the model as it is")
    if goals:
        scores = [_planned(decoder, context, "a goal", goal=0 * unknown + token).score for token in range(BINS)]
        require(
            any(not torch.equal(score, none.score) for score in scores),
            "a goal changes no plan's score; hand goal on to the model",
        )


def _check_refusal(config: DecoderConfig, parts: _Parts) -> None:
    """A decoder that needs a critic says so when there is none."""
    if "critic" not in config.requires:
        return
    try:
        config.build(parts.model, parts.discretizer, discount=DISCOUNT, critic=None)
    except RecipeError:
        return
    message = "built without the critic that it requires, the decoder says nothing; raise RecipeError"
    raise AssertionError(message)
