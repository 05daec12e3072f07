"""Record episodes of environments for a Minari data set."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from minari.data_collector import EpisodeBuffer

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    import gymnasium
    from numpy.typing import NDArray

    from ttf.interfaces.progress import Task
    from ttf.observations import ObservationRule

#: Episodes that run at once. Making an environment costs as much as a thousand steps.
BATCH = 16


class Recording:
    """One episode while it is recorded; observations are arrays, or dicts of arrays."""

    def __init__(
        self,
        environment: gymnasium.Env[Any, Any],
        rule: ObservationRule,
        seed: int,
        options: Mapping[str, Any] | None = None,
    ) -> None:
        self._environment = environment
        self._rule = rule
        self._seed = seed
        self._options = dict(options) if options is not None else None
        self._observations = [environment.reset(seed=seed, options=self._options)[0]]
        self._steps: list[tuple[NDArray[np.float32], float, bool, bool]] = []

    def vector(self) -> NDArray[np.float32]:
        """What is seen now, flattened by the rule."""
        return self._rule.flatten(self._observations[-1])

    def step(self, action: NDArray[np.float32]) -> bool:
        """Act; whether the episode goes on."""
        observation, reward, terminated, truncated, _ = self._environment.step(action)
        self._observations.append(observation)
        self._steps.append((action, float(reward), terminated, truncated))
        return not (terminated or truncated)

    def cut_off(self) -> None:
        """Say that the episode, which has not terminated, was cut off after its last step."""
        action, reward, terminated, _ = self._steps[-1]
        self._steps[-1] = (action, reward, terminated, True)

    def buffer(self) -> EpisodeBuffer:
        """The episode as arrays, observations one more than steps."""
        actions, rewards, terminations, truncations = (np.array(column) for column in zip(*self._steps, strict=True))
        return EpisodeBuffer(
            seed=self._seed,
            options=self._options,
            observations=_stacked(self._observations),
            actions=actions,
            rewards=rewards,
            terminations=terminations,
            truncations=truncations,
        )


def _stacked(observations: Sequence[Any]) -> Any:  # noqa: ANN401  (arrays or dicts of arrays)
    """What was seen one after the other: an array, or a dict of arrays."""
    if isinstance(observations[0], dict):
        return {key: np.stack([seen[key] for seen in observations]) for key in observations[0]}
    return np.stack(observations)


def collect(
    run: Callable[[Sequence[int]], list[EpisodeBuffer]], *, steps: int, seed: int, task: Task
) -> list[EpisodeBuffer]:
    """Whole episodes with at least ``steps`` steps; ``run`` makes some of ``BATCH`` + 1 seeds, time and again."""
    seeds = np.random.SeedSequence(seed)
    episodes: list[EpisodeBuffer] = []
    collected = 0
    while collected < steps:
        new = run(seeds.spawn(1)[0].generate_state(BATCH + 1).tolist())
        lengths = sum(len(episode) for episode in new)
        task.advance(min(lengths, steps - collected), episodes=len(episodes) + len(new))
        collected += lengths
        episodes += new
    return episodes
