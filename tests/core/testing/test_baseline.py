"""The checker of baselines finds broken ones."""

from __future__ import annotations

from copy import deepcopy
from typing import TYPE_CHECKING, ClassVar, Literal

import pytest
import torch
from tests.core.testing.broken import MEDDLING, complaint, every_meddling, spoiled

from ttf.component import BaselineConfig, LearnedBaselineConfig
from ttf.errors import RecipeError
from ttf.policies import NetworkPolicy
from ttf.testing import check_baseline
from ttf.testing.corridor import CorridorConfig, CorridorEnvironment, HomingConfig
from ttf.testing.stand_ins import Linear

if TYPE_CHECKING:
    from ttf.interfaces.critic import Critic
    from ttf.interfaces.data import DataSource
    from ttf.interfaces.environment import Environment
    from ttf.interfaces.learner import Learner
    from ttf.interfaces.policy import Policy
    from ttf.layout import Layout


class LearnedConfig(LearnedBaselineConfig):
    """The linear policy of a critic of its own."""

    kind: Literal["learned"] = "learned"

    fault: Literal["none", "copy", "unsaved"] = "none"
    """What is wrong."""

    def learner(self, layout: Layout) -> Learner:
        made = Linear(layout, self.learning_rate)
        if self.fault == "unsaved":
            del made.mean
            made.mean = torch.zeros(layout.observation)
        return made

    def build(
        self, source: DataSource, environment: Environment, *, learner: Learner | None, critic: Critic | None
    ) -> Policy:
        assert isinstance(learner, Linear)
        return (deepcopy(learner) if self.fault == "copy" else learner).policy()


class AskingConfig(BaselineConfig):
    """The critic's own policy."""

    requires: ClassVar[tuple[str, ...]] = ("environment", "evaluation", "critic")

    per_transition: ClassVar[bool] = True

    kind: Literal["asking"] = "asking"

    fault: Literal["none", "late", "training"] = "none"
    """What is wrong."""

    def build(
        self, source: DataSource, environment: Environment, *, learner: Learner | None, critic: Critic | None
    ) -> Policy:
        if critic is None and self.fault != "late":
            message = "baseline 'asking' needs a critic"
            raise RecipeError(message)
        if self.fault == "training":
            assert isinstance(critic, Linear)
            critic.chosen.bias.data += 1
        policy = critic.policy() if critic is not None else NetworkPolicy(torch.nn.Identity(), lambda seen: seen)
        assert policy is not None
        return policy


NETWORK = torch.nn.Linear(1, 1)


def far(_: Policy) -> Policy:
    """Pushes harder than anybody can."""
    return NetworkPolicy(NETWORK, lambda seen: 9 + 0 * seen[:, :1])


@pytest.mark.parametrize("config", [HomingConfig(), LearnedConfig(), AskingConfig()], ids=lambda config: config.kind)
def test_a_correct_baseline_passes(config: BaselineConfig) -> None:
    check_baseline(config)
    check_baseline(config, CorridorConfig(episodes=5).build(), CorridorEnvironment())


@pytest.mark.parametrize(
    ("config", "message"),
    [
        (LearnedConfig(fault="copy"), "learned: a policy made before training acts without what was learned; ask the"),
        (LearnedConfig(fault="unsaved"), "Linear: the tensor 'mean' is no buffer, so that it is neither saved nor"),
        (AskingConfig(fault="late"), "asking: built without the critic that it requires, it says nothing; raise Re"),
        (spoiled(HomingConfig(), far), "homing: act returned an action beyond the environment's bounds; clip it"),
        (AskingConfig(fault="training"), "the baseline changed chosen.bias; a critic is asked, never trained, by a"),
    ],
)
def test_a_broken_baseline_is_found_out(config: BaselineConfig, message: str) -> None:
    assert complaint(lambda: check_baseline(config)).startswith(message)


@every_meddling
def test_a_baseline_that_meddles_while_it_is_made_is_found_out(meddling: str) -> None:
    def meddle(_: Policy) -> None:
        MEDDLING[meddling][0]()

    found = complaint(lambda: check_baseline(spoiled(HomingConfig(), meddle)))
    assert found.startswith(f"building the policy {MEDDLING[meddling][1]}")
