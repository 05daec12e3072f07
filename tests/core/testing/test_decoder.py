"""The checker of decoders finds broken ones."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import pytest
import torch
from tests.core.testing.broken import MEDDLING, complaint, every_meddling, meddling_in, replacing, spoiled
from torch import Tensor

from ttf.component import DecoderConfig
from ttf.interfaces.decoder import Decoder, Plan
from ttf.testing import check_decoder

if TYPE_CHECKING:
    from collections.abc import Callable

    from ttf.interfaces.critic import Critic
    from ttf.interfaces.discretizer import Discretizer
    from ttf.interfaces.model import SequenceModel

Fault = Literal["none", "dead", "anywhere", "goal", "unknown", "late", "training", "learning", "global"]


class SamplingConfig(DecoderConfig):
    """Writes two transitions, each token drawn by the model's probabilities."""

    kind: Literal["sampling"] = "sampling"

    fault: Fault = "none"
    """What is wrong."""

    def build(
        self, model: SequenceModel, discretizer: Discretizer, *, discount: float, critic: Critic | None
    ) -> Decoder:
        return Sampling(model, discretizer, self.fault)


class CriticalConfig(SamplingConfig):
    """Says that it needs a critic, and does not look for it."""

    requires: ClassVar[tuple[str, ...]] = ("discretizer", "model", "critic")


class Sampling(Decoder):
    def __init__(self, model: SequenceModel, discretizer: Discretizer, fault: Fault) -> None:
        self.model, self.discretizer, self.fault = model, discretizer, fault

    @torch.no_grad()
    def plan(self, context: Tensor, generator: torch.Generator, goal: Tensor | None = None) -> Plan:
        layout, model = self.model.layout, self.model
        if self.fault == "goal":
            goal = None
        if self.fault == "unknown" and goal is None:
            goal = torch.zeros(len(context), layout.goal, dtype=torch.int64)
        if self.fault == "training":
            model.train()
        if self.fault == "learning":
            next(model.parameters()).data += 1e-6
        tokens, score = context, torch.zeros(len(context))
        for column in layout.slots(2 * layout.width)[layout.observation :]:
            shown = tokens[:, layout.dropped(tokens.shape[1], model.block) :]
            allowed = torch.ones_like(self.discretizer.live) if self.fault == "dead" else self.discretizer.live
            logits = model(shown, goal)[:, -1, : self.discretizer.bins].masked_fill(~allowed[column], -torch.inf)
            drawn = torch.multinomial(logits.softmax(-1), 1, generator=generator)
            score = score + logits.log_softmax(-1).gather(1, drawn)[:, 0]
            tokens = torch.cat([tokens, drawn], 1)
        start = context.shape[1] - (0 if self.fault == "anywhere" else layout.observation)
        begun = torch.cat([tokens, tokens[:, : layout.observation]], 1)[:, start:]
        return Plan(begun[:, : 2 * layout.width].reshape(len(context), 2, layout.width), score)


def changed(**changes: Callable[[Plan], Any]) -> SamplingConfig:
    """A decoder whose plans have some fields changed."""

    def plan(method: Callable[..., Plan], *args: Any) -> Plan:  # noqa: ANN401  (what plan is given)
        made = method(*args)
        return replace(made, **{name: change(made) for name, change in changes.items()})

    return spoiled(SamplingConfig(), replacing("plan", plan))


def spoiling(method: Callable[..., Plan], context: Tensor, *others: Any) -> Plan:  # noqa: ANN401
    """Counts from 1 within its argument."""
    context.clamp_(min=1)
    return method(context, *others)


def aimless(method: Callable[..., Plan], context: Tensor, generator: torch.Generator, goal: Tensor | None) -> Plan:
    """Forgets the goal for good once it has planned."""
    made = method(context, generator, goal)
    if goal is not None:
        goal.zero_()
    return made


def remembering(decoder: Sampling) -> None:
    """Scores are better with every plan."""
    plans: list[Plan] = []

    def plan(method: Callable[..., Plan], *args: Any) -> Plan:  # noqa: ANN401
        plans.append(method(*args))
        return replace(plans[-1], score=plans[-1].score + len(plans))

    replacing("plan", plan)(decoder)


def reusing(decoder: Sampling) -> None:
    """All plans are in one buffer."""
    buffer = torch.zeros(3, 2, 5, dtype=torch.int64)

    def plan(method: Callable[..., Plan], *args: Any) -> Plan:  # noqa: ANN401
        made = method(*args)
        buffer[: len(made.tokens)] = made.tokens
        return replace(made, tokens=buffer[: len(made.tokens)])

    replacing("plan", plan)(decoder)


def test_a_correct_decoder_passes() -> None:
    check_decoder(SamplingConfig())
    check_decoder(changed(actions=lambda plan: torch.zeros(len(plan.tokens), 1, 1)))


@pytest.mark.parametrize(
    ("config", "message"),
    [
        (
            changed(tokens=lambda plan: plan.tokens.int()),
            "0 past transitions: plan.tokens is torch.int32 (3, 2, 5); expected int64 (3, horizon, 5)",
        ),
        (
            changed(tokens=lambda plan: plan.tokens.flatten(1)),
            "0 past transitions: plan.tokens is torch.int64 (3, 10); expected int64 (3, horizon, 5)",
        ),
        (
            changed(tokens=lambda plan: plan.tokens[:1]),
            "0 past transitions: plan.tokens is torch.int64 (1, 2, 5); expected int64 (3, horizon, 5)",
        ),
        (changed(tokens=lambda plan: plan.tokens + 9), "0 past transitions: plan.tokens are outside 0 .. 8"),
        (changed(tokens=lambda plan: plan.tokens - 1), "0 past transitions: plan.tokens are outside 0 .. 8"),
        (SamplingConfig(fault="anywhere"), "0 past transitions: the plan does not start with the present observation"),
        (SamplingConfig(fault="dead"), "0 past transitions: the plan has tokens of dead bins; never take what live"),
        (
            changed(score=lambda plan: plan.score[:, None]),
            "0 past transitions: plan.score is torch.float32 (3, 1); expected floats (3,)",
        ),
        (changed(score=lambda plan: plan.score * torch.nan), "0 past transitions: plan.score is not finite"),
        (
            changed(score=lambda plan: plan.score.clone().requires_grad_()),
            "0 past transitions: plan.score has a gradient; plan within torch.inference_mode()",
        ),
        (
            changed(actions=lambda plan: torch.zeros(len(plan.tokens), 3, 1)),
            "0 past transitions: plan.actions is (3, 3, 1); expected (B, n, A) with n from 1 to 2",
        ),
        (
            changed(actions=lambda plan: torch.full((len(plan.tokens), 1, 1), torch.inf)),
            "0 past transitions: plan.actions are not finite",
        ),
        (
            changed(tokens=lambda plan: torch.cat([plan.tokens[:, :1], plan.tokens[:, 1:].flip(0)], 1)),
            "6 past transitions: a context's plan depends on the other contexts; rows must not depend on each other",
        ),
        (
            spoiled(SamplingConfig(), replacing("plan", spoiling)),
            "0 past transitions: plan changed the context; clone what you modify",
        ),
        (spoiled(SamplingConfig(), replacing("plan", aimless)), "an unknown goal: plan changed the goal; clone it"),
        (
            spoiled(SamplingConfig(), remembering),
            "0 past transitions: equal generators and contexts give other plans; draw from the generator only",
        ),
        (
            spoiled(SamplingConfig(), reusing),
            "0 past transitions: plan changed a plan returned before; return new tensors",
        ),
        (SamplingConfig(fault="goal"), "a goal changes no plan's score; hand goal on to the model"),
        (SamplingConfig(fault="unknown"), "no goal gives another plan than an unknown one; hand goal on to the model"),
        (SamplingConfig(fault="training"), "planning put the model into training mode; leave it in evaluation mode"),
        (
            SamplingConfig(fault="learning"),
            "0 past transitions: planning changed the model's table; a planner leaves what it is built for as it",
        ),
        (CriticalConfig(), "built without the critic that it requires, the decoder says nothing; raise RecipeError"),
    ],
)
def test_a_broken_decoder_is_found_out(config: SamplingConfig, message: str) -> None:
    assert complaint(lambda: check_decoder(config)).startswith(message)


@every_meddling
def test_a_decoder_that_meddles_is_found_out(meddling: str) -> None:
    found = complaint(lambda: check_decoder(spoiled(SamplingConfig(), meddling_in("plan", meddling))))
    assert found.startswith(f"0 past transitions: planning {MEDDLING[meddling][1]}")
