"""What every checker of a slot with policies finds in broken ones."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

import numpy as np
import pytest
from tests.core.testing.broken import MEDDLING, complaint, every_meddling

from ttf.interfaces.policy import Actor, Policy
from ttf.testing.corridor import CorridorConfig, HomingPolicy
from ttf.testing.policy import check_policy, scenes_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

SCENES = scenes_of(CorridorConfig().build().episodes())

Fault = Literal[
    "none",
    "noise",
    "shape",
    "dtype",
    "nan",
    "unseeded",
    "spoils",
    "buffer",
    "shared",
    "keeps all",
    "keeps first",
    "rows",
    "imagined",
]


@dataclass
class Walker(Policy):
    """Pushes by what was seen so far; with noise or a fault on request."""

    fault: Fault = "none"
    meddle: Callable[[], object] = tuple
    seen: float = 0.0
    starts: int = 0
    buffer: NDArray[np.float32] = field(default_factory=lambda: np.zeros((3, 1), np.float32))

    def start(self, batch: int, seed: int) -> Actor:
        self.starts += 1
        return Walking(self, batch, self.starts if self.fault == "unseeded" else seed)


class Walking(Actor):
    def __init__(self, policy: Walker, batch: int, seed: int) -> None:
        self.policy, self.sums = policy, np.zeros((batch, 1), np.float32)
        self.random = np.random.default_rng(seed)

    def act(self, observations: NDArray[np.float32]) -> NDArray[np.float32]:
        policy, fault = self.policy, self.policy.fault
        policy.meddle()
        if fault == "spoils":
            observations *= 2
        if fault == "imagined":
            self.imagined = observations
        if fault == "shared":
            policy.seen += float(observations.sum())
            self.sums = self.sums + policy.seen
        self.sums = self.sums[: len(observations)] + observations[:, :1]
        actions = np.tanh(self.sums)
        if fault in ("noise", "unseeded"):
            actions = actions + self.random.normal(size=actions.shape).astype(np.float32)
        if fault == "rows":
            actions = actions + actions.mean()
        if fault == "keeps all":
            return np.concatenate([actions, np.zeros((3 - len(actions), 1), np.float32)])
        if fault == "buffer":
            policy.buffer[: len(actions)] = actions
            return policy.buffer[: len(actions)]
        changed = {"shape": actions[:, 0], "dtype": actions.astype(np.float64), "nan": actions * np.float32(np.nan)}
        return changed.get(fault, actions)

    def observe(self, rewards: NDArray[np.float32]) -> None:
        self.sums = self.sums + rewards[:, None]

    def keep(self, rows: NDArray[np.int64]) -> None:
        if self.policy.fault not in ("keeps first", "keeps all"):
            self.sums = self.sums[rows]


@pytest.mark.parametrize("policy", [Walker(), Walker("noise"), HomingPolicy()], ids=["remembers", "random", "homing"])
def test_a_correct_policy_passes(policy: Policy) -> None:
    check_policy(policy, SCENES, 1, "policy")


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        ("shape", "policy: act returned (3,); expected (3, 1)"),
        ("dtype", "policy: act returned float64; expected float32"),
        ("nan", "policy: act returned an action that is not finite"),
        ("unseeded", "policy: equal seeds and observations give other actions; draw from the seed that start is given"),
        ("spoils", "policy: act changed the observations; copy what you modify"),
        ("buffer", "policy: act changed actions that it had returned before; return a new array"),
        ("shared", "policy: equal seeds and observations give other actions; draw from the seed that start is given"),
        ("keeps all", "policy: act returned 3 actions after keep of 2 rows; drop what the others had"),
        ("keeps first", "policy: after keep, a row's actions are not those it has among others; rows must not depend"),
        ("rows", "policy: alone, a row's actions are not those it has among others; rows must not depend on each"),
        ("imagined", "policy: imagined is (3, 2); expected (B, H, O) with (B, O) = (3, 2), or None"),
    ],
)
def test_a_broken_policy_is_found_out(fault: Fault, message: str) -> None:
    assert complaint(lambda: check_policy(Walker(fault), SCENES, 1, "policy")).startswith(message)


@every_meddling
def test_a_policy_that_meddles_is_found_out(meddling: str) -> None:
    found = complaint(lambda: check_policy(Walker(meddle=MEDDLING[meddling][0]), SCENES, 1, "policy"))
    assert found.startswith(f"policy: acting {MEDDLING[meddling][1]}")
