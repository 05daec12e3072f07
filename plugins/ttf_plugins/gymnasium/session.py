"""A batch of Gymnasium environments that run one episode each."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, SupportsFloat, final

import numpy as np

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

    def reset(self, seeds: Sequence[int]) -> NDArray[np.float32]:
        """Start an episode per seed; observations (B, O)."""
        pairs = zip(self._running, seeds, strict=True)
        return np.stack([self._rule.flatten(env.reset(seed=int(seed))[0]) for env, seed in pairs])

    def step(self, actions: NDArray[np.float32]) -> Transition:
        """Step all with actions (B, A)."""
        steps = [env.step(action) for env, action in zip(self._running, actions, strict=True)]
        observations, rewards, terminated, truncated, infos = zip(*steps, strict=True)
        return Transition(
            np.stack([self._rule.flatten(observation) for observation in observations]),
            _float32(rewards),
            np.array(terminated, dtype=np.bool_),
            np.array(truncated, dtype=np.bool_),
            np.array([bool(info.get("success", False)) for info in infos]),
        )

    def keep(self, rows: NDArray[np.int64]) -> None:
        """Go on with these environments only; the others become idle."""
        kept = set(rows.tolist())
        self._idle.extend(env for row, env in enumerate(self._running) if row not in kept)
        self._running = [self._running[row] for row in rows]

    def close(self) -> None:
        """Make all environments idle."""
        self._idle.extend(self._running)
        self._running = []


def _float32(rewards: Sequence[SupportsFloat]) -> NDArray[np.float32]:
    """Rewards (B,); what is beyond float32 is infinite, which evaluation refuses."""
    with np.errstate(over="ignore"):
        return np.array([float(reward) for reward in rewards]).astype(np.float32)
