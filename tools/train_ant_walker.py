"""Train the walker of the plugin antmaze_waypoints: an ant that runs towards a place nearby.

    python tools/train_ant_walker.py ant_walker.npz

PPO (Schulman et al. 2017) on MuJoCo rollouts of many ants at once, on the processor only. The weights that are shipped
took 5.3 million steps, 25 minutes on two cores; another version of MuJoCo gives another walker of the same kind.
"""

from __future__ import annotations

import argparse
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import gymnasium
import mujoco
import numpy as np
import torch
from mujoco import rollout
from torch import nn

from ttf_plugins.antmaze_waypoints.walker import turned

if TYPE_CHECKING:
    from numpy.typing import NDArray

Array = np.ndarray[Any, np.dtype[Any]]

ANTS, STEPS = 128, 64  # of a batch
DISCOUNT, LAMBDA = 0.99, 0.95
PASSES, MINIBATCH, CLIP = 6, 1024, 0.2
SECONDS = 0.05  # of a step
EPISODE, PATIENCE = 500, 200  # steps until an ant starts anew, and until it gets another place to go
MODEL = Path(gymnasium.__file__).parent / "envs" / "mujoco" / "assets" / "ant.xml"
STATE = mujoco.mjtState.mjSTATE_FULLPHYSICS  # time, qpos (15), qvel (14)


class Outcome(NamedTuple):
    """What a step did to every ant."""

    seen: NDArray[np.float64]  # (N, 27), before ants that ended start anew
    rewards: NDArray[np.float64]  # (N,)
    fallen: NDArray[np.bool_]  # (N,)
    ended: NDArray[np.bool_]  # (N,): fallen, or out of time
    speed: NDArray[np.float64]  # (N,): metres a second towards the place to go


class Ants:
    """Ants on an endless floor, each with a place to go."""

    def __init__(self, seed: int, threads: int) -> None:
        self._model = mujoco.MjModel.from_xml_path(str(MODEL))
        self._model.opt.integrator = mujoco.mjtIntegrator.mjINT_IMPLICITFAST  # several times as fast as RK4
        self._rollout = rollout.Rollout(nthread=threads)
        self._data = [mujoco.MjData(self._model) for _ in range(threads)]
        self._rest = np.zeros(mujoco.mj_stateSize(self._model, STATE))
        mujoco.mj_getState(self._model, self._data[0], self._rest, STATE)
        self._random = np.random.default_rng(seed)
        self._states = np.tile(self._rest, (ANTS, 1))
        self._places = np.zeros((ANTS, 2))
        self._time, self._tried = np.zeros(ANTS, int), np.zeros(ANTS, int)
        self._start(np.ones(ANTS, bool))
        self._time = self._random.integers(0, EPISODE, ANTS)  # so that they do not all end at once

    def seen(self) -> NDArray[np.float64]:
        """Bodies (N, 27), turned so that the places to go lie along +x."""
        return turned(np.concatenate([self._states[:, 3:16], self._states[:, 16:30]], axis=1), self._way())

    def step(self, actions: NDArray[np.float32]) -> Outcome:
        """Act (N, 8), be rewarded for coming nearer, upright and with little effort, and start anew after a fall."""
        actions, before = np.clip(actions, -1, 1), np.linalg.norm(self._way(), axis=1)
        controls = np.repeat(actions[:, None].astype(np.float64), 5, axis=1)
        states, _ = self._rollout.rollout(self._model, self._data, self._states, controls)
        self._states = states[:, -1].copy()
        broken = ~np.isfinite(self._states).all(axis=1) | (np.abs(self._states) > 1e3).any(axis=1)
        left = np.linalg.norm(self._way(), axis=1)
        up, height = 1 - 2 * (self._states[:, 5] ** 2 + self._states[:, 6] ** 2), self._states[:, 3]
        fallen = broken | (up < 0.1) | (height < 0.2) | (height > 1.3)
        speed = np.where(broken, 0, (before - left) / SECONDS)
        rewards = speed + 0.5 - 0.05 * (actions**2).sum(axis=1) - 0.5 * np.clip(0.8 - up, 0, 1) - 3.0 * fallen
        self._time += 1
        self._tried += 1
        ended = fallen | (self._time >= EPISODE)
        self._send((left < 0.5) | (self._tried > PATIENCE))
        seen = np.nan_to_num(self.seen())
        self._start(ended)
        return Outcome(seen, rewards, fallen, ended, speed)

    def _way(self) -> NDArray[np.float64]:
        way: NDArray[np.float64] = self._places - self._states[:, 1:3]
        return way

    def _start(self, which: NDArray[np.bool_]) -> None:
        number = int(which.sum())
        states = np.tile(self._rest, (number, 1))
        states[:, 1:16] += self._random.uniform(-0.1, 0.1, (number, 15))
        states[:, 16:30] += 0.1 * self._random.standard_normal((number, 14))
        yaw, nothing = self._random.uniform(-np.pi, np.pi, number) / 2, np.zeros(number)
        states[:, 4:8] = np.stack([np.cos(yaw), nothing, nothing, np.sin(yaw)], axis=1)
        self._states[which], self._time[which] = states, 0
        self._send(which)

    def _send(self, which: NDArray[np.bool_]) -> None:
        number = int(which.sum())
        distance, angle = self._random.uniform(2, 8, number), self._random.uniform(-np.pi, np.pi, number)
        offset = distance[:, None] * np.stack([np.cos(angle), np.sin(angle)], axis=1)
        self._places[which], self._tried[which] = self._states[which, 1:3] + offset, 0


@dataclass
class Scores:
    """Running mean and variance of what is seen."""

    mean: NDArray[np.float64] = field(default_factory=lambda: np.zeros(27))
    variance: NDArray[np.float64] = field(default_factory=lambda: np.ones(27))
    count: float = 1e-4

    def add(self, seen: NDArray[np.float64]) -> None:
        """Learn from a batch (N, 27); the memory is two million steps long."""
        total, change = self.count + len(seen), seen.mean(axis=0) - self.mean
        self.mean = self.mean + change * len(seen) / total
        spread = self.variance * self.count + seen.var(axis=0) * len(seen)
        self.variance = (spread + change**2 * self.count * len(seen) / total) / total
        self.count = min(total, 2e6)

    @property
    def std(self) -> NDArray[np.float64]:
        """Standard deviations (27,)."""
        return np.sqrt(self.variance + 1e-8)

    def __call__(self, seen: NDArray[np.float64]) -> torch.Tensor:
        """Standard scores (N, 27), clipped."""
        return torch.as_tensor(np.clip((seen - self.mean) / self.std, -10, 10), dtype=torch.float32)


def network(outputs: int, gain: float) -> nn.Sequential:
    """Two tanh layers, orthogonally initialised."""
    layers = [nn.Linear(27, 128), nn.Linear(128, 128), nn.Linear(128, outputs)]
    for layer, scale in zip(layers, (2**0.5, 2**0.5, gain), strict=True):
        nn.init.orthogonal_(layer.weight, scale)
        nn.init.zeros_(layer.bias)
    return nn.Sequential(layers[0], nn.Tanh(), layers[1], nn.Tanh(), layers[2])


class Learner(nn.Module):
    """The policy, a Gaussian about a network, and the critic."""

    def __init__(self) -> None:
        super().__init__()
        self.policy, self.critic = network(8, 0.01), network(1, 1.0)
        self.log_std = nn.Parameter(torch.full((8,), -0.7))

    def log_likelihood(self, scores: torch.Tensor, actions: torch.Tensor) -> torch.Tensor:
        """Log-likelihood (N,) of actions, up to a constant."""
        deviations = (actions - self.policy(scores)) / self.log_std.exp()
        likelihood: torch.Tensor = (-0.5 * deviations**2 - self.log_std).sum(dim=1)
        return likelihood


class Batch(NamedTuple):
    """The steps of a batch, flattened over time and ants."""

    scores: torch.Tensor  # (T N, 27)
    actions: torch.Tensor  # (T N, 8)
    likelihoods: torch.Tensor  # (T N,)
    advantages: torch.Tensor  # (T N,)
    returns: torch.Tensor  # (T N,)


@torch.no_grad()
def gather(ants: Ants, learner: Learner, scores: Scores) -> tuple[Batch, str]:
    """A batch of steps, and its figures."""
    steps: list[tuple[torch.Tensor, torch.Tensor, Array, Array, Outcome]] = []
    for _ in range(STEPS):
        seen = ants.seen()
        scores.add(seen)
        now = scores(seen)
        mean = learner.policy(now)
        actions = mean + learner.log_std.exp() * torch.randn_like(mean)
        outcome = ants.step(actions.numpy())
        after = learner.critic(scores(outcome.seen))[:, 0].numpy()
        steps.append((now, actions, learner.critic(now)[:, 0].numpy(), after, outcome))
    values, following = np.stack([step[2] for step in steps]), np.stack([step[3] for step in steps])
    outcomes = [step[4] for step in steps]
    advantages, gained = np.zeros_like(values), np.zeros(ANTS)
    for t in reversed(range(STEPS)):
        error = outcomes[t].rewards + DISCOUNT * following[t] * ~outcomes[t].fallen - values[t]
        gained = error + DISCOUNT * LAMBDA * gained * ~outcomes[t].ended
        advantages[t] = gained
    now, actions = torch.cat([step[0] for step in steps]), torch.cat([step[1] for step in steps])
    flat = [torch.as_tensor(part.reshape(-1), dtype=torch.float32) for part in (advantages, advantages + values)]
    speed, falls = (np.mean([getattr(one, name) for one in outcomes]) for name in ("speed", "fallen"))
    batch = Batch(now, actions, learner.log_likelihood(now, actions), flat[0], flat[1])
    return batch, f"{speed:.2f} m/s, {1000 * falls:.2f} falls in 1000 steps"


def improve(learner: Learner, optimizer: torch.optim.Optimizer, batch: Batch) -> float:
    """Some passes of PPO over a batch; how far the policy went, as a mean KL divergence."""
    divergences = []
    for _ in range(PASSES):
        for rows in torch.split(torch.randperm(len(batch.scores)), MINIBATCH):
            part = Batch(*(whole[rows] for whole in batch))
            change = learner.log_likelihood(part.scores, part.actions) - part.likelihoods
            ratio = change.exp()
            advantages = (part.advantages - part.advantages.mean()) / (part.advantages.std() + 1e-8)
            gain = torch.min(ratio * advantages, ratio.clamp(1 - CLIP, 1 + CLIP) * advantages).mean()
            error = (learner.critic(part.scores)[:, 0] - part.returns).pow(2).mean()
            optimizer.zero_grad()
            (-gain + 0.5 * error - 0.001 * learner.log_std.sum()).backward()
            nn.utils.clip_grad_norm_([*learner.policy.parameters(), *learner.critic.parameters()], 0.5)
            optimizer.step()
            divergences.append(((ratio - 1) - change).mean().item())
    return float(np.mean(divergences))


def export(file: Path, learner: Learner, scores: Scores) -> None:
    """Write the policy's mean, with what its input is standardised by."""
    arrays: dict[str, Any] = {"mean": scores.mean, "std": scores.std}
    for i, layer in enumerate(layer for layer in learner.policy if isinstance(layer, nn.Linear)):
        arrays |= {f"w{i}": layer.weight.detach().numpy(), f"b{i}": layer.bias.detach().numpy()}
    with file.open("wb") as opened:
        np.savez(opened, **{name: array.astype(np.float32) for name, array in arrays.items()})


def check_writable(file: Path) -> None:
    """Leave the program unless the file can be written; what it holds stays."""
    try:
        file.open("ab").close()
    except OSError as error:
        sys.exit(f"Error: {file} cannot be written: {error.strerror}")


def main() -> None:
    """Train, and write the walker now and then."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file", type=Path)
    parser.add_argument("--steps", type=int, default=5_300_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=2)
    arguments = parser.parse_args()
    check_writable(arguments.file)
    torch.manual_seed(arguments.seed)
    torch.set_num_threads(1)
    ants, learner, scores = Ants(arguments.seed, arguments.threads), Learner(), Scores()
    rate, started = 3e-4, time.perf_counter()
    optimizer = torch.optim.Adam(learner.parameters(), rate, eps=1e-5)
    batches = -(-arguments.steps // (ANTS * STEPS))
    for number in range(1, batches + 1):
        batch, figures = gather(ants, learner, scores)
        divergence = improve(learner, optimizer, batch)
        factor = 0.9 if divergence > 0.015 else 1.1 if divergence < 0.006 else 1.0
        rate = float(np.clip(rate * factor, 5e-5, 1e-3))
        optimizer.param_groups[0]["lr"] = rate
        if number % 25 == 0 or number == batches:
            seconds = time.perf_counter() - started
            print(f"{number * ANTS * STEPS} steps: {figures}, KL {divergence:.4f}, {seconds:.0f} s", flush=True)
            export(arguments.file, learner, scores)


if __name__ == "__main__":
    main()
