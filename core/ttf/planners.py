"""The planner of a recipe as policies."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ttf.agent import PlanningPolicy
from ttf.anytime import AnytimeDecoder, widths
from ttf.beam import SearchDecoderConfig
from ttf.expected import ExpectedActions

if TYPE_CHECKING:
    from ttf.component import DecoderConfig
    from ttf.goals import GoalColumns
    from ttf.interfaces.critic import Critic
    from ttf.interfaces.decoder import Decoder
    from ttf.interfaces.discretizer import Discretizer
    from ttf.interfaces.environment import Environment
    from ttf.interfaces.model import SequenceModel
    from ttf.recipe import Recipe


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

    def build(chosen: DecoderConfig) -> Decoder:
        return chosen.build(model, discretizer, discount=data.discount**data.stride, critic=critic)

    if isinstance(config, SearchDecoderConfig) and config.deadline_ms is not None:
        narrower = {width: config.model_copy(update={"beam_width": width}) for width in widths(config.beam_width)}
        built = {width: build(chosen) for width, chosen in narrower.items()}
        decoder: Decoder = AnytimeDecoder(built, config.deadline_ms / 1000)
    else:
        decoder = build(config)
    if config.actions == "expected":
        decoder = ExpectedActions(decoder, model, discretizer, context=config.context, followed=config.plan_every)
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
