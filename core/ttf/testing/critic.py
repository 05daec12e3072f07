"""The checker of the critic contract."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import torch

from ttf.interfaces.learner import Later, Transitions
from ttf.layout import Layout
from ttf.testing.configuration import check_configuration
from ttf.testing.learner import check_learner
from ttf.testing.policy import check_policy
from ttf.testing.requirement import require
from ttf.testing.untouched import check_unchanged, tensors_of, untouched

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import Tensor

    from ttf.component import CriticConfig
    from ttf.interfaces.critic import Critic

LAYOUTS = (Layout(observation=3, action=2), Layout(observation=1, action=1))

DISCOUNT = 0.9

SHAPES = ((8,), (1,), (), (2, 4), (1, 1))
"""Shapes of what a critic is asked, before the dimensions of observations and actions."""


def check_critic(config: CriticConfig) -> None:
    """Check everything the contract says of a critic, which is trained for a few updates.

    Args:
        config: the component, small.

    Raises:
        AssertionError: the contract is broken; the message says how.
    """
    check_configuration(config)
    for layout in LAYOUTS:
        transitions = _transitions(layout)
        critic = check_learner(partial(config.build, layout, discount=DISCOUNT), transitions)
        _check_values(critic, "value", critic.value, (transitions.observations,))
        _check_values(critic, "subgoal_value", critic.subgoal_value, (transitions.observations,))
        _check_values(critic, "action_value", critic.action_value, (transitions.observations, transitions.actions))
        policy = critic.policy()
        if policy is not None:
            scenes = [seen.numpy() for seen in torch.split(transitions.observations[:12], 3)]
            check_policy(policy, scenes, layout.action, "the critic's policy")


def _transitions(layout: Layout) -> Transitions:
    """Random ones on odd scales, a few of them terminal."""
    generator = torch.Generator().manual_seed(0)
    observations = 5 + 3 * torch.randn(65, layout.observation, generator=generator)
    actions = torch.rand(64, layout.action, generator=generator) * 4 - 1
    rewards = torch.randn(64, generator=generator)
    discounts = torch.where(torch.arange(64) % 9 == 8, 0.0, DISCOUNT)
    later = Later(2 * rewards, observations.flip(0)[:-1], discounts**2)
    return Transitions(observations[:-1], actions, rewards, observations[1:], discounts, later)


def _check_values(critic: Critic, name: str, ask: Callable[..., Tensor], asked: tuple[Tensor, ...]) -> None:
    """Values have the shape of what is asked, are finite, repeatable, row by row, and leave the critic as it is."""
    before, given = tensors_of(critic), [part.clone() for part in asked]
    with untouched(name):
        values = ask(*asked)
    for part, copy in zip(asked, given, strict=True):
        require(torch.equal(part, copy), f"{name} changed its argument; clone what you modify")
    for shape in SHAPES:
        count = torch.Size(shape).numel()
        parts = [part[:count].reshape(*shape, -1) for part in asked]
        with untouched(name, seed=count):
            found = ask(*parts)
        require(
            found.shape == shape, f"{name} returned {tuple(found.shape)} for {tuple(parts[0].shape)}; expected {shape}"
        )
        require(torch.isfinite(found).all(), f"{name} returned a value that is not finite")
        require(
            torch.allclose(found.flatten(), values[:count], rtol=1e-4, atol=1e-5),
            f"{name} of some observations is another one when they are asked with others, or again; rows must not "
            "depend on each other, nor on what was asked before",
        )
    check_unchanged(name, tensors_of(critic), before, "a critic that is asked stays as it is")
