"""The checker of the baseline contract."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from ttf.component import LearnedBaselineConfig
from ttf.errors import RecipeError
from ttf.layout import Layout
from ttf.testing.configuration import check_configuration
from ttf.testing.corridor import CorridorConfig, CorridorEnvironment
from ttf.testing.learner import check_learner
from ttf.testing.policy import check_bounds, check_policy, same_actions, scenes_of
from ttf.testing.requirement import require
from ttf.testing.stand_ins import LinearConfig, made
from ttf.testing.untouched import check_unchanged, tensors_of, untouched
from ttf.transitions import make_transitions

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from ttf.component import BaselineConfig
    from ttf.interfaces.critic import Critic
    from ttf.interfaces.data import DataSource
    from ttf.interfaces.environment import Environment
    from ttf.interfaces.learner import Learner
    from ttf.interfaces.policy import Policy


def check_baseline(
    config: BaselineConfig,
    source: DataSource | None = None,
    environment: Environment | None = None,
    critic: Critic | None = None,
) -> None:
    """Check everything the contract says of a baseline, its learner included if it has one.

    Args:
        config: the component; what it learns with should be small.
        source: the data; without, walks along a corridor, whose behaviour can act again.
        environment: where it acts; without, the corridor.
        critic: the recipe's; without, one that has a policy.

    Raises:
        AssertionError: the contract is broken; the message says how.
    """
    check_configuration(config)
    source = source or CorridorConfig().build()
    environment = environment or CorridorEnvironment()
    episodes = source.episodes()
    layout = Layout(episodes[0].observations.shape[1], len(environment.action_low))
    critic = critic or made(lambda: LinearConfig().build(layout, discount=0.9))
    before = tensors_of(critic)
    build = partial(_built, config, source, environment)
    scenes = scenes_of(episodes)
    learner = None
    if isinstance(config, LearnedBaselineConfig):
        learner = check_learner(partial(config.learner, layout), make_transitions(episodes, CorridorConfig()))
        _check_trained_later(config, layout, partial(build, critic=critic), learner, scenes)
    policy = build(learner, critic)
    check_policy(policy, scenes, layout.action, config.kind)
    if not config.per_transition:  # those that are learned from transitions are clipped for them
        check_bounds(policy, scenes, (environment.action_low, environment.action_high), config.kind)
    check_unchanged("the baseline", tensors_of(critic), before, "a critic is asked, never trained, by a baseline")
    _check_refusal(config, source, environment)


def _built(
    config: BaselineConfig,
    source: DataSource,
    environment: Environment,
    learner: Learner | None,
    critic: Critic | None,
) -> Policy:
    with untouched("building the policy"):
        return config.build(source, environment, learner=learner, critic=critic)


def _check_trained_later(
    config: LearnedBaselineConfig,
    layout: Layout,
    build: Callable[[Learner], Policy],
    trained: Learner,
    scenes: Sequence[NDArray[np.float32]],
) -> None:
    """A policy that was made before its learner was trained acts as one that is made afterwards."""
    learner = made(partial(config.learner, layout))
    policy = build(learner)
    learner.load_state_dict(trained.state_dict())
    same = same_actions(policy, build(trained), scenes)
    require(
        same,
        f"{config.kind}: a policy made before training acts without what was learned; ask the learner, copy nothing",
    )


def _check_refusal(config: BaselineConfig, source: DataSource, environment: Environment) -> None:
    """A baseline that needs a critic says so when there is none."""
    if "critic" not in config.requires:
        return
    try:
        config.build(source, environment, learner=None, critic=None)
    except RecipeError:
        return
    message = f"{config.kind}: built without the critic that it requires, it says nothing; raise RecipeError"
    raise AssertionError(message)
