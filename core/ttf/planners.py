"""The planner of a recipe as policies."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from ttf.agent import PlanningPolicy
from ttf.anytime import AnytimeDecoder, widths
from ttf.beam import SearchDecoderConfig
from ttf.expected import ExpectedActions

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ttf.component import DecoderConfig
    from ttf.goals import GoalColumns
    from ttf.interfaces.critic import Critic
    from ttf.interfaces.decoder import Decoder
    from ttf.interfaces.discretizer import Discretizer
    from ttf.interfaces.environment import Environment
    from ttf.interfaces.model import SequenceModel
    from ttf.interfaces.progress import Progress
    from ttf.recipe import Recipe
    from ttf.run_dir import RunDir


def make_planners(
    recipe: Recipe,
    model: SequenceModel,
    discretizer: Discretizer,
    critic: Critic | None,
    environment: Environment | None,
    goals: GoalColumns | None,
) -> dict[str, PlanningPolicy]:
    """The recipe's planner by name, and where its model has learned to do without its goal, the same without.

    Raises:
        RecipeError: the decoder does not fit the other sections.
    """
    config, data = recipe.decoder, recipe.data
    if config is None or environment is None:
        return {}

    planning = config.planning(model) if isinstance(config, SearchDecoderConfig) else model

    def build(chosen: DecoderConfig) -> Decoder:
        decoder = chosen.build(planning, discretizer, discount=data.discount**data.stride, critic=critic)
        if chosen.actions != "expected":
            return decoder
        return ExpectedActions(decoder, model, discretizer, context=chosen.context, followed=chosen.plan_every)

    if isinstance(config, SearchDecoderConfig) and config.deadline_ms is not None:
        narrower = {width: config.model_copy(update={"beam_width": width}) for width in widths(config.beam_width)}
        built = {width: build(chosen) for width, chosen in narrower.items()}
        decoder: Decoder = AnytimeDecoder(built, config.deadline_ms / 1000)
    else:
        decoder = build(config)
    names = {config.kind: False}
    if data.goal is not None and data.goal.dropout > 0:
        names[f"{config.kind} without goal"] = True
    return {
        name: PlanningPolicy(
            decoder,
            discretizer,
            environment,
            context=config.context if config.memory else 1,
            plan_every=config.plan_every,
            goals=goals,
            hide_goal=hidden,
        )
        for name, hidden in names.items()
    }


def describe_planning(planners: Mapping[str, PlanningPolicy], run: RunDir, progress: Progress) -> dict[str, Any]:
    """Note how often the planners, with and without a goal, met numbers beyond the discretizer's bins.

    Where there is a deadline, note too how many plans got how far by then, and how many came late.

    Returns:
        What belongs into the record of the run.
    """
    counts = [asdict(policy.clips) for policy in planners.values()]
    if counts:
        acting = {name: sum(count[name] for count in counts) for name in counts[0]}
        run.write("discretizer", {**run.read("discretizer"), "acting": acting})
    deadlines = {name: policy.deadline for name, policy in planners.items() if policy.deadline.reached}
    for name, deadline in deadlines.items():
        progress.note(f"{name}: {deadline}")
    return {"deadline": {name: deadline.describe() for name, deadline in deadlines.items()}} if deadlines else {}
