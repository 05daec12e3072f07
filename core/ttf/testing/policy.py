"""What is checked of every policy: baselines, what made a data set, what a critic has learned."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ttf.testing.requirement import require
from ttf.testing.untouched import untouched

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from ttf.interfaces.data import Episode
    from ttf.interfaces.policy import Actor, Policy


def scenes_of(episodes: Sequence[Episode], batch: int = 3, steps: int = 5) -> list[NDArray[np.float32]]:
    """Observations (B, O) that are met one after the other: the first ones of the longest episodes."""
    longest = sorted(episodes, key=len, reverse=True)[:batch]
    return [np.stack([e.observations[t] for e in longest]) for t in range(min(steps, len(longest[-1])))]


def check_policy(policy: Policy, scenes: Sequence[NDArray[np.float32]], actions: int, name: str) -> None:
    """Check everything the contract says of a policy.

    Args:
        policy: ready to act.
        scenes: observations (B, O) that its episodes meet one after the other, of two episodes or more at best.
        actions: dimensions of an action, A.
        name: of the policy, for messages.

    Raises:
        AssertionError: the contract is broken; the message says how.
    """
    first = _played(policy, scenes, name, seed=1)
    for taken in first:
        shape = (len(scenes[0]), actions)
        require(taken.shape == shape, f"{name}: act returned {taken.shape}; expected {shape}")
        require(taken.dtype == np.float32, f"{name}: act returned {taken.dtype}; expected float32")
        require(np.isfinite(taken).all(), f"{name}: act returned an action that is not finite")
    _played(policy, [scene[::-1].copy() for scene in scenes], name, seed=2)
    again = _played(policy, scenes, name, seed=1, others=2)
    require(
        _equal(first, again),
        f"{name}: equal seeds and observations give other actions; draw from the seed that start is given, and keep "
        "what is remembered of an episode in the actor",
    )
    _check_keep(policy, scenes, name)
    if _equal(first, _played(policy, scenes, name, seed=2)):
        _check_rows(policy, scenes, first, name)


def check_bounds(
    policy: Policy,
    scenes: Sequence[NDArray[np.float32]],
    bounds: tuple[NDArray[np.float32], NDArray[np.float32]],
    name: str,
) -> None:
    """Check that actions lie between the bounds (A,), float32 errors aside.

    Raises:
        AssertionError: one does not.
    """
    low, high = bounds
    for taken in _played(policy, scenes, name, seed=1):
        inside = (taken >= low - 1e-5) & (taken <= high + 1e-5)
        require(inside.all(), f"{name}: act returned an action beyond the environment's bounds; clip it")


def same_actions(one: Policy, other: Policy, scenes: Sequence[NDArray[np.float32]]) -> bool:
    """Whether two policies take the same actions in scenes, for equal seeds."""
    return _equal(*(_played(policy, scenes, "policy", seed=1) for policy in (one, other)))


def _played(
    policy: Policy, scenes: Sequence[NDArray[np.float32]], name: str, *, seed: int, others: int = 1
) -> list[NDArray[np.float32]]:
    """The actions of an actor in all scenes; while it acts, another one begins, for global generators of a seed."""
    with untouched(f"{name}: acting", seed=others):
        actor, taken, copies = policy.start(len(scenes[0]), seed), [], []
        for step, scene in enumerate(scenes):
            taken.append(_act(actor, scene, name))
            copies.append(taken[-1].copy())
            actor.observe(np.linspace(-1, step, len(scene), dtype=np.float32))
            if others > 1:
                policy.start(1, seed + step).act(scene[-1:].copy())
    require(_equal(taken, copies), f"{name}: act changed actions that it had returned before; return a new array")
    return copies


def _act(actor: Actor, scene: NDArray[np.float32], name: str) -> NDArray[np.float32]:
    """The actions for a scene, which must stay as it is."""
    given = scene.copy()
    actions = actor.act(given)
    require(np.array_equal(given, scene), f"{name}: act changed the observations; copy what you modify")
    shape = None if actor.imagined is None else actor.imagined.shape
    require(
        shape is None or (len(shape) == 3 and (shape[0], shape[2]) == scene.shape),
        f"{name}: imagined is {shape}; expected (B, H, O) with (B, O) = {scene.shape}, or None",
    )
    return actions


def _check_keep(policy: Policy, scenes: Sequence[NDArray[np.float32]], name: str) -> None:
    """An actor goes on with some of its rows, down to one."""
    actor, rows = policy.start(len(scenes[0]), 1), np.arange(len(scenes[0]))
    for scene in scenes:
        taken = _act(actor, scene[rows], name)
        require(
            len(taken) == len(rows),
            f"{name}: act returned {len(taken)} actions after keep of {len(rows)} rows; drop what the others had",
        )
        actor.observe(np.zeros(len(rows), dtype=np.float32))
        if len(rows) > 1:
            rows = rows[1:]
            actor.keep(np.arange(1, len(rows) + 1))


def _check_rows(
    policy: Policy, scenes: Sequence[NDArray[np.float32]], batched: Sequence[NDArray[np.float32]], name: str
) -> None:
    """A policy that is not random acts in an episode alone as among others, and so after others have ended."""
    rewards = [np.linspace(-1, step, len(scene), dtype=np.float32) for step, scene in enumerate(scenes)]
    for row in range(len(scenes[0])):
        for kept in (False, True):
            actor = policy.start(len(scenes[0]) if kept else 1, 1)
            for step, scene in enumerate(scenes):
                whole = kept and step == 0
                taken = _act(actor, scene if whole else scene[row : row + 1], name)[row if whole else 0]
                actor.observe(rewards[step] if whole else rewards[step][row : row + 1])
                require(
                    np.allclose(taken, batched[step][row], rtol=1e-4, atol=1e-5),
                    f"{name}: {'after keep' if kept else 'alone'}, a row's actions are not those it has among others; "
                    "rows must not depend on each other, and keep must keep the right ones",
                )
                if whole:
                    actor.keep(np.array([row]))


def _equal(found: Sequence[NDArray[np.float32]], expected: Sequence[NDArray[np.float32]]) -> bool:
    return all(np.array_equal(one, other, equal_nan=True) for one, other in zip(found, expected, strict=True))
