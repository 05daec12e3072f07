"""The acting loop: a policy in a batch of environments, one episode per seed."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from ttf.errors import DataError
from ttf.seeds import seeds, stream

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ttf.interfaces.environment import Environment, Transition
    from ttf.interfaces.policy import Actor, Policy
    from ttf.interfaces.progress import Progress, Task
    from ttf.sections import EvaluationConfig

LARGEST_SEED = 2**31
"""Environments take seeds below this."""


@dataclass
class EpisodeRecord:
    """What came of one evaluation episode."""

    episode: int
    seed: int
    total: float = 0.0
    steps: int = 0
    success: bool = False
    terminated: bool = False
    truncated: bool = False
    observations: list[NDArray[np.float32]] = field(default_factory=list)
    """Kept for the first episodes only."""

    actions: list[NDArray[np.float32]] = field(default_factory=list)
    """What the environment was given, kept for the first episodes only: with the seed, they can be played again."""

    plans: dict[int, NDArray[np.float32]] = field(default_factory=dict)
    """Planned observations (H, O) by the step of the plan, kept for the first episodes only."""

    def as_json(self, policy: str, reports_success: bool) -> dict[str, Any]:
        """A line of episodes.jsonl."""
        return {
            "policy": policy,
            "episode": self.episode,
            "seed": self.seed,
            "return": self.total,
            "steps": self.steps,
            "success": self.success if reports_success else None,
            "terminated": self.terminated,
            "truncated": self.truncated,
        }

    def arrays(self, policy: str) -> dict[str, NDArray[np.float32]]:
        """What was kept, under the names of trajectories.safetensors."""
        if not self.observations:
            return {}
        prefix = f"{policy}/{self.episode}"
        plans = {f"{prefix}/plan/{step}": np.ascontiguousarray(plan) for step, plan in self.plans.items()}
        return {
            f"{prefix}/observations": np.stack(self.observations),
            f"{prefix}/actions": np.stack(self.actions),
            **plans,
        }


def evaluation_seeds(seed: int, episodes: int) -> list[int]:
    """Seeds of the evaluation episodes, the same for every policy and used for nothing else."""
    return [number % LARGEST_SEED for number in seeds(seed, "evaluation episodes", episodes)]


def evaluate(
    policy: Policy, environment: Environment, config: EvaluationConfig, *, seed: int, name: str, progress: Progress
) -> list[EpisodeRecord]:
    """Run a policy for the recipe's number of episodes.

    Raises:
        DataError: the environment returned something that is not finite.
    """
    numbers = evaluation_seeds(seed, config.episodes)
    records = [EpisodeRecord(episode, number) for episode, number in enumerate(numbers)]
    with progress.task(f"evaluating {name}", config.episodes, unit="episodes") as task:
        for first in range(0, len(records), config.batch):
            batch = records[first : first + config.batch]
            actor = policy.start(len(batch), stream(seed, f"acting {name} {first}"))
            _run_batch(actor, environment, batch, config, task)
    return records


def _run_batch(
    actor: Actor, environment: Environment, records: list[EpisodeRecord], config: EvaluationConfig, task: Task
) -> None:
    """Run episodes that start together until the last one ends; ended ones drop out."""
    session = environment.session(len(records))
    try:
        observations = session.reset([record.seed for record in records])
        _keep_observations(records, observations, config)
        while records:
            actions = actor.act(observations)
            _keep_plans(records, actor.imagined, config)
            _keep_actions(records, actions, config)
            result = session.step(actions)
            _check(result, environment)
            actor.observe(result.rewards)
            _add_step(records, result, config)
            _keep_observations(records, result.observations, config)
            running = np.flatnonzero([not (record.terminated or record.truncated) for record in records])
            if len(running) < len(records):
                task.advance(len(records) - len(running))
                session.keep(running)
                actor.keep(running)
            observations, records = result.observations[running], [records[row] for row in running]
    finally:
        session.close()


def _add_step(records: list[EpisodeRecord], result: Transition, config: EvaluationConfig) -> None:
    for row, record in enumerate(records):
        record.total += float(result.rewards[row])
        record.steps += 1
        record.success |= bool(result.success[row])
        record.terminated = bool(result.terminated[row])
        record.truncated = bool(result.truncated[row]) or (not record.terminated and record.steps == config.max_steps)


def _keep_observations(
    records: list[EpisodeRecord], observations: NDArray[np.float32], config: EvaluationConfig
) -> None:
    for record, observation in zip(records, observations, strict=True):
        if record.episode < config.trajectories:
            record.observations.append(observation)


def _keep_actions(records: list[EpisodeRecord], actions: NDArray[np.float32], config: EvaluationConfig) -> None:
    for record, action in zip(records, actions, strict=True):
        if record.episode < config.trajectories:
            record.actions.append(action)


def _keep_plans(records: list[EpisodeRecord], imagined: NDArray[np.float32] | None, config: EvaluationConfig) -> None:
    if imagined is None:
        return
    for record, plan in zip(records, imagined, strict=True):
        if record.episode < config.trajectories:
            record.plans[record.steps] = plan


def _check(result: Transition, environment: Environment) -> None:
    for name, values in (("observation", result.observations), ("reward", result.rewards)):
        if not np.isfinite(values).all():
            message = f"environment {environment.id!r} returned a {name} that is not finite"
            raise DataError(message)
