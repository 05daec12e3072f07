"""The checker of critics, and of whatever learns from single transitions, finds broken ones."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any

import pytest
import torch
from tests.core.testing.broken import MEDDLING, complaint, every_meddling, meddling_in, replacing, spoiled
from torch import Tensor, nn

from ttf.testing import check_critic
from ttf.testing.corridor import HomingPolicy
from ttf.testing.stand_ins import Linear, LinearConfig

if TYPE_CHECKING:
    from collections.abc import Callable

    from ttf.interfaces.learner import Transitions

CONFIG = LinearConfig()


def test_a_correct_critic_passes() -> None:
    check_critic(CONFIG)
    check_critic(spoiled(CONFIG, replacing("policy", lambda _: None)))


def once_trained(spoil: Callable[[Any], None]) -> Callable[[Any], None]:
    """A critic that is spoiled when its training is over."""

    def later(critic: Linear) -> None:
        def evaluate(method: Callable[[], Linear]) -> Linear:
            spoil(critic)
            return method()

        replacing("eval", evaluate)(critic)

    return later


def asked(replacement: Callable[..., Any]) -> Callable[[Any], None]:
    """A critic whose values are replaced when its training is over."""
    return once_trained(replacing("value", replacement))


def hidden_weights(critic: Linear) -> None:
    """Weights come from Python's own generator."""
    with torch.no_grad():
        critic.v.weight.fill_(random.SystemRandom().random())


def forgetful(critic: Linear) -> None:
    """Learns faster with every update, which no checkpoint knows."""
    rates = iter(range(1, 100))

    def update(method: Callable[[Transitions], Any], batch: Transitions) -> Any:  # noqa: ANN401  (losses)
        for group in critic.optimizers()["adam"].param_groups:
            group["lr"] = 1e-3 * next(rates)
        return method(batch)

    replacing("update", update)(critic)


def unsaved_mean(critic: Linear) -> None:
    """What prepare has learned is a plain attribute."""
    del critic.mean
    critic.mean = torch.zeros(critic.v.in_features)


def foreign_optimizer(critic: Linear) -> None:
    other = torch.optim.Adam(nn.Linear(1, 1).parameters())
    replacing("optimizers", lambda _: {"adam": other})(critic)


def fresh_optimizers(critic: Linear) -> None:
    replacing("optimizers", lambda _: {"adam": torch.optim.Adam(critic.parameters())})(critic)


def remembering(critic: Linear) -> None:
    """Whoever was asked about before counts."""
    before = [0.0]

    def value(method: Callable[[Tensor], Tensor], observations: Tensor) -> Tensor:
        found = method(observations) + before[0]
        before[0] = float(observations.sum())
        return found

    replacing("value", value)(critic)


def learning_when_asked(critic: Linear) -> None:
    def value(method: Callable[[Tensor], Tensor], observations: Tensor) -> Tensor:
        found = method(observations)
        if not critic.training:
            critic.chosen.bias.data += 1
        return found

    replacing("value", value)(critic)


def with_plain_state(critic: Linear) -> None:
    critic.state_dict = lambda *_, **__: {"steps": 3}  # type: ignore[method-assign,assignment]


def noisy(critic: Linear) -> None:
    """Learns from random numbers of its own."""
    secret = torch.Generator()
    secret.seed()

    def update(method: Callable[[Transitions], Any], batch: Transitions) -> Any:  # noqa: ANN401
        return method(batch._replace(rewards=torch.randn(len(batch.rewards), generator=secret)))

    replacing("update", update)(critic)


def spoiling(part: str, name: str) -> Callable[[Any], None]:
    """A method that changes what it is given."""

    def change(method: Callable[..., Any], transitions: Transitions) -> Any:  # noqa: ANN401
        getattr(transitions, part).mul_(2)
        return method(transitions)

    return replacing(name, change)


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (hidden_weights, "equal states of torch's global generator give other weights; draw fresh weights from that"),
        (noisy, "equal batches and random numbers give other weights; learn only from what prepare and update are"),
        (forgetful, "resumed from its state_dict and its optimizers', it learns something else; keep what prepare"),
        (unsaved_mean, "Linear: the tensor 'mean' is no buffer, so that it is neither saved nor moved; use register"),
        (with_plain_state, "Linear: 'steps' of the state_dict is no tensor; checkpoints hold tensors"),
        (foreign_optimizer, "optimizer 'adam' has parameters that are not the learner's own"),
        (fresh_optimizers, "optimizers returned another 'adam' when called again; keep it"),
        (spoiling("rewards", "prepare"), "prepare changed rewards; clone what you modify"),
        (spoiling("observations", "update"), "update changed observations; clone what you modify"),
        (replacing("update", lambda _, batch: {"loss": batch.rewards.sum()}), "update changed no weight; step every"),
        (replacing("update", lambda method, batch: method(batch) and {}), "update returned no losses; return scalars"),
        (
            replacing("update", lambda method, batch: {"loss": float(method(batch)["loss"].detach())}),
            "update returned ",
        ),
        (
            replacing("update", lambda method, batch: {"loss": method(batch)["loss"].detach() * torch.nan}),
            "update returned 'loss' = nan; expected a finite number",
        ),
        (
            replacing("value", lambda method, seen: method(seen).unsqueeze(-1)),
            "value returned (8, 1) for (8, 3); expected (8,)",
        ),
        (
            replacing("value", lambda method, seen: method(seen).squeeze()),
            "value returned () for (1, 3); expected (1,)",
        ),
        (
            replacing("action_value", lambda method, *asked: method(*asked).flatten()),
            "action_value returned (1,) for (3,); expected ()",
        ),
        (asked(lambda method, seen: method(seen) / 0), "value returned a value that is not finite"),
        (
            asked(lambda method, seen: method(seen) - (method(seen).mean() if seen.ndim > 1 else 0)),
            "value of some observations is another one when they are asked with others, or again; rows must not",
        ),
        (
            once_trained(remembering),
            "value of some observations is another one when they are asked with others, or again; rows",
        ),
        (learning_when_asked, "value changed chosen.bias; a critic that is asked stays as it is"),
        (
            asked(lambda method, seen: method(seen.mul_(2))),
            "value changed its argument; clone what you modify",
        ),
        (
            replacing("policy", lambda _: HomingPolicy()),
            "the critic's policy: act returned (3, 1); expected (3, 2)",
        ),
    ],
)
def test_a_broken_critic_is_found_out(spoil: Callable[[Any], None], message: str) -> None:
    assert complaint(lambda: check_critic(spoiled(CONFIG, spoil))).startswith(message)


@every_meddling
def test_a_critic_that_meddles_when_it_is_asked_is_found_out(meddling: str) -> None:
    config = spoiled(CONFIG, once_trained(meddling_in("value", meddling)))
    found = complaint(lambda: check_critic(config))
    assert found.startswith(f"value {MEDDLING[meddling][1]}")


@pytest.mark.parametrize("method", ["prepare", "update"])
@pytest.mark.parametrize("meddling", ["dtype", "threads", "printing"])
def test_a_learner_that_meddles_is_found_out(method: str, meddling: str) -> None:
    found = complaint(lambda: check_critic(spoiled(CONFIG, meddling_in(method, meddling))))
    assert found.startswith(f"{method} {MEDDLING[meddling][1]}")
