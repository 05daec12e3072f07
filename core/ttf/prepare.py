"""Everything a run needs before anything is trained: its data, its environment and its baselines, all checked."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ttf.component import LearnedBaselineConfig
from ttf.episode_checks import check_episodes
from ttf.episodes import Rows, make_rows, split
from ttf.errors import DataError, RecipeError, TtfError
from ttf.goals import GoalColumns
from ttf.holding import HoldingPolicy
from ttf.layout import Layout
from ttf.policies import BoundedPolicy
from ttf.recipe import named
from ttf.runs import data_seed
from ttf.seeds import stream
from ttf.training_state import seeded_weights

if TYPE_CHECKING:
    from collections.abc import Sequence

    import torch
    from numpy.typing import NDArray

    from ttf.component import BaselineConfig, DataConfig
    from ttf.interfaces.critic import Critic
    from ttf.interfaces.data import DataSource, EnvironmentSpec, Episode
    from ttf.interfaces.environment import Environment
    from ttf.interfaces.learner import Learner
    from ttf.interfaces.policy import Policy
    from ttf.interfaces.progress import Progress
    from ttf.recipe import Recipe


@dataclass(frozen=True)
class Data:
    """What the data section came to."""

    source: DataSource
    rows: Rows
    """Rows of the episodes that are trained on."""

    held_out: Rows
    """Rows of the episodes that are only validated on; possibly none."""

    episodes: Sequence[Episode]
    """The episodes that are trained on."""

    goals: GoalColumns | None
    """How observations are taken apart, where trajectories have goals."""

    @property
    def whole(self) -> Layout:
        """The layout of transitions as they were recorded: the goal in the observation, and no subgoals."""
        layout = self.rows.layout
        return Layout(self.goals.width if self.goals else layout.observation, layout.executed)


def load_data(recipe: Recipe, progress: Progress) -> Data:
    """Open or collect the episodes, check them and hold some out.

    Raises:
        DataError: something about the data is wrong.
    """
    source = open_source(recipe, progress)
    return make_data(recipe, source, source.episodes())


def open_source(recipe: Recipe, progress: Progress) -> DataSource:
    """Open or collect the episodes.

    Raises:
        DataError: the data set is missing or cannot be made.
    """
    return recipe.data.build(seed=stream(data_seed(recipe), "data"), progress=progress)


def make_data(recipe: Recipe, source: DataSource, episodes: Sequence[Episode]) -> Data:
    """Check episodes of a source, make rows of them and hold some out.

    Raises:
        DataError: something about the episodes is wrong.
    """
    config, seed = recipe.data, data_seed(recipe)
    width, actions = check_episodes(episodes)
    episodes = best(episodes, config.best_fraction)
    goals, layout = take_apart(config, width, actions)
    rows = make_rows(episodes, layout, config, goals)
    fraction = recipe.training.validation_fraction if recipe.training else 0.0
    training, held_out = split(len(episodes), fraction, stream(seed, "validation"))
    return Data(source, rows.select(training), rows.select(held_out), [episodes[i] for i in training], goals)


def best(episodes: Sequence[Episode], fraction: float) -> list[Episode]:
    """That share of the episodes, at least one, with the highest return, in their order; of equal ones the first."""
    returns = np.array([episode.rewards.sum(dtype=np.float64) for episode in episodes])
    count = max(1, round(fraction * len(episodes)))
    return [episodes[i] for i in np.sort(np.argsort(-returns, kind="stable")[:count])]


def take_apart(config: DataConfig, width: int, actions: int) -> tuple[GoalColumns | None, Layout]:
    """Which columns of observations (..., width) are the goal's, and the layout of transitions without them.

    Raises:
        DataError: the observation has no such columns.
    """
    goals = GoalColumns(config.goal, width) if config.goal is not None else None
    seen = goals.seen if goals else list(range(width))
    subgoal = _subgoal_columns(config, seen)
    return goals, Layout(len(seen), actions + len(subgoal), goals.columns if goals else (), subgoal)


def _subgoal_columns(config: DataConfig, seen: Sequence[int]) -> tuple[int, ...]:
    """Which of the columns that transitions have of an observation the subgoals are about."""
    dims = config.subgoal.dims if config.subgoal is not None else []
    for dim in dims:
        if dim not in seen:
            message = f"data.subgoal.dims: {dim} is no dimension of the transitions' observation, which has {len(seen)}"
            raise DataError(message)
    return tuple(seen.index(dim) for dim in dims)


def make_environment(recipe: Recipe, data: Data) -> Environment | None:
    """The recipe's environment, if it names one.

    Raises:
        DataError: it cannot be made, or does not fit the data.
        RecipeError: evaluation episodes would never end.
    """
    if recipe.environment is None:
        return None
    environment = recipe.environment.build(data.source)
    try:
        _check_environment(environment, recipe, data.whole)
    except TtfError:
        environment.close()
        raise
    return environment


def difference(recorded: EnvironmentSpec | None, environment: Environment) -> str | None:
    """What differs, if anything does, between the environment of the data and the one to act in."""
    if recorded is None:
        return None
    before = f"environment {environment.id!r}: the data was recorded"
    if recorded.id != environment.id:
        return f"{before} in {recorded.id!r}"
    for name in sorted({*recorded.options, *environment.options}):
        then, now = (options.get(name, "the default") for options in (recorded.options, environment.options))
        if then != now:
            return f"{before} with {name} {then}, not {now}"
    return None


def _check_environment(environment: Environment, recipe: Recipe, layout: Layout) -> None:
    for what, found, expected in (
        ("observations", environment.observation_width, layout.observation),
        ("actions", len(environment.action_low), layout.action),
    ):
        if found != expected:
            message = f"{what} of environment {environment.id!r} have {found} dimensions, those of the data {expected}"
            raise DataError(message)
    if recipe.evaluation is not None and recipe.evaluation.max_steps is None and environment.step_limit is None:
        message = f"environment {environment.id!r} has no step limit of its own; set evaluation.max_steps"
        raise RecipeError(message)


@dataclass(frozen=True)
class Baseline:
    """A policy to stand beside the planner."""

    policy: Policy
    learner: Learner | None
    """What must be trained before the policy acts."""


def named_baselines(recipe: Recipe) -> dict[str, BaselineConfig]:
    """The recipe's baselines by kind; the second of a kind is called ``kind 2``."""
    return named(recipe.baselines)


def make_critic(recipe: Recipe, layout: Layout) -> Critic | None:
    """The recipe's critic with fresh weights, if it has one."""
    if recipe.critic is None:
        return None
    if recipe.data.goal is not None:
        message = "critic: a planner that asks one has no goal in its transitions; leave out either it or data.goal"
        raise RecipeError(message)
    with seeded_weights(recipe.seed, "critic"):
        return recipe.critic.build(layout, discount=recipe.data.discount**recipe.data.stride)


def make_baselines(
    recipe: Recipe, data: Data, environment: Environment, critic: Critic | None, device: torch.device
) -> dict[str, Baseline]:
    """The recipe's baselines by name.

    Raises:
        DataError: the data cannot provide one.
        RecipeError: one does not fit the critic.
    """
    baselines: dict[str, Baseline] = {}
    for name, config in named_baselines(recipe).items():
        learner = None
        if isinstance(config, LearnedBaselineConfig):
            with seeded_weights(recipe.seed, f"baseline {name}"):
                learner = config.learner(data.whole).to(device)
        policy = config.build(data.source, environment, learner=learner, critic=critic)
        if config.per_transition:
            bounded = BoundedPolicy(policy, environment.action_low, environment.action_high)
            policy = HoldingPolicy(bounded, recipe.data)
        baselines[name] = Baseline(policy, learner)
    return baselines


def describe(data: Data) -> dict[str, Any]:
    """Where data was recorded and how its observations are flattened, as JSON."""
    spec, rule = data.source.environment, data.source.rule
    return {
        "observation": data.whole.observation,
        "action": data.whole.action,
        "environment": spec.id if spec else None,
        "options": dict(spec.options) if spec else {},
        "keys": rule.keys,
        "dims": rule.dims,
    }


def statistics(episodes: Sequence[Episode]) -> dict[str, Any]:
    """Counts, returns and lengths of the episodes."""
    returns = np.array([episode.rewards.sum(dtype=np.float64) for episode in episodes])
    lengths = np.array([len(episode) for episode in episodes], dtype=np.float64)
    return {
        "episodes": len(episodes),
        "steps": int(lengths.sum()),
        "return": _spread(returns),
        "length": _spread(lengths),
    }


def _spread(values: NDArray[np.float64]) -> dict[str, float]:
    return {name: float(getattr(values, name)()) for name in ("mean", "std", "min", "max")}
