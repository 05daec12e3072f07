"""The two baselines act within the bounds, from their seed alone, and as the data set says."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import numpy as np
import pytest

from ttf.errors import DataError
from ttf.interfaces.data import Provenance
from ttf.testing import check_baseline
from ttf_plugins.baselines import BehaviourConfig, RandomConfig

if TYPE_CHECKING:
    from ttf.component import BaselineConfig
    from ttf.interfaces.data import DataSource
    from ttf.interfaces.environment import Environment
    from ttf.interfaces.policy import Policy


class _Bounds:
    def __init__(self, low: list[float], high: list[float]) -> None:
        self.action_low, self.action_high = np.array(low, np.float32), np.array(high, np.float32)


class _Source:
    provenance = Provenance("stub", "0" * 64)

    def __init__(self, policy: Policy | None) -> None:
        self._policy = policy

    def behaviour(self) -> Policy | None:
        return self._policy


def _random(low: list[float], high: list[float]) -> Policy:
    return RandomConfig().build(cast("DataSource", None), cast("Environment", _Bounds(low, high)))


def _behaviour(policy: Any) -> Policy:  # noqa: ANN401  (anything that is handed through)
    return BehaviourConfig().build(cast("DataSource", _Source(policy)), cast("Environment", None))


@pytest.mark.parametrize("config", [RandomConfig(), BehaviourConfig()], ids=lambda config: config.kind)
def test_the_contract_of_baselines_is_kept(config: BaselineConfig) -> None:
    check_baseline(config)


def test_random_actions_fill_the_bounds_evenly() -> None:
    actions = _random([-2, 0], [1, 5]).start(20_000, 0).act(np.zeros((20_000, 3), np.float32))
    assert actions.shape == (20_000, 2)
    assert actions.dtype == np.float32
    assert (actions >= [-2, 0]).all()
    assert (actions <= [1, 5]).all()
    quarters = np.quantile(actions, [0.25, 0.5, 0.75], axis=0)
    np.testing.assert_allclose(quarters, [[-1.25, 1.25], [-0.5, 2.5], [0.25, 3.75]], atol=0.1)


def test_random_actions_come_from_the_seed_and_follow_the_rows_that_go_on() -> None:
    policy, rows = _random([-1], [1]), np.zeros((4, 3), np.float32)
    first, again, other = policy.start(4, 1), policy.start(4, 1), policy.start(4, 2)
    np.testing.assert_array_equal(first.act(rows), again.act(rows))
    assert not np.array_equal(first.act(rows), other.act(rows))
    first.keep(np.array([0, 2]))
    assert first.act(rows[:2]).shape == (2, 1)


def test_random_needs_finite_bounds() -> None:
    with pytest.raises(DataError) as refusal:
        _random([-1, -np.inf], [1, 1])
    expected = "baseline 'random' needs finite action bounds, and the environment has none; leave it out"
    assert str(refusal.value) == expected


def test_behaviour_is_the_data_sets_policy() -> None:
    policy = _random([-1], [1])
    assert _behaviour(policy) is policy


def test_behaviour_is_refused_where_the_data_set_has_none() -> None:
    with pytest.raises(DataError) as refusal:
        _behaviour(None)
    assert str(refusal.value) == (
        "baseline 'behaviour': data set 'stub' has episodes only, not the policy that made them, "
        "or keeps too little of the observation to run it; leave the baseline out"
    )
