"""A batch of Gymnasium environments that run one episode each."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, final

import numpy as np
from gymnasium.vector import AutoresetMode, SyncVectorEnv

from ttf.interfaces.environment import Session, Transition

if TYPE_CHECKING:
    from collections.abc import Sequence

    import gymnasium
    from numpy.typing import NDArray

    from ttf.observations import ObservationRule


@final
class GymnasiumSession(Session):
    """Steps the environments that still run; nothing is reset behind the caller's back.

    The observation of an episode that ends is therefore its last one. An ended episode must be dropped with
    :meth:`keep` before the next step.
    """

    def __init__(
        self,
        environments: list[gymnasium.Env[Any, Any]],
        rule: ObservationRule,
        idle: list[gymnasium.Env[Any, Any]],
    ) -> None:
        self._running = environments
        self._rule = rule
        self._idle = idle
        self._vector = _vector(environments)

    def reset(self, seeds: Sequence[int]) -> NDArray[np.float32]:
        """Start an episode per seed; observations (B, O)."""
        observations, _ = self._vector.reset(seed=[int(seed) for seed in seeds])
        return self._rule.flatten(observations)

    def step(self, actions: NDArray[np.float32]) -> Transition:
        """Step all with actions (B, A)."""
        observations, rewards, terminated, truncated, infos = self._vector.step(actions)
        success = np.asarray(infos.get("success", np.zeros(len(rewards))), dtype=np.bool_)
        return Transition(self._rule.flatten(observations), rewards.astype(np.float32), terminated, truncated, success)

    def keep(self, rows: NDArray[np.int64]) -> None:
        """Go on with these environments only; the others become idle."""
        kept = set(rows.tolist())
        self._idle.extend(env for row, env in enumerate(self._running) if row not in kept)
        self._running = [self._running[row] for row in rows]
        if self._running:
            self._vector = _vector(self._running)

    def close(self) -> None:
        """Make all environments idle."""
        self._idle.extend(self._running)
        self._running = []


def _vector(environments: list[gymnasium.Env[Any, Any]]) -> SyncVectorEnv:
    """Step environments that exist already together."""
    return SyncVectorEnv([partial(_itself, env) for env in environments], autoreset_mode=AutoresetMode.DISABLED)


def _itself(environment: gymnasium.Env[Any, Any]) -> gymnasium.Env[Any, Any]:
    return environment
