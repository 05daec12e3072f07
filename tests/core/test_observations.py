"""An observation becomes the same vector, alone or in any batch."""

from __future__ import annotations

import numpy as np
import pytest
from gymnasium import spaces
from hypothesis import given
from hypothesis import strategies as st

from ttf.errors import DataError
from ttf.observations import ObservationRule
from ttf.spaces import action_width, columns, observation_width


def _box(*shape: int) -> spaces.Box:
    return spaces.Box(-1, 1, shape)


_SPACE = spaces.Dict({"observation": _box(4), "achieved_goal": _box(2), "desired_goal": _box(2)})


@given(
    order=st.permutations(["observation", "achieved_goal", "desired_goal"]),
    dims=st.none() | st.lists(st.integers(0, 7), min_size=1, max_size=8),
    seed=st.integers(0, 1000),
)
def test_flattening_a_batch_is_flattening_each_and_has_the_declared_width(
    order: list[str], dims: list[int] | None, seed: int
) -> None:
    rule = ObservationRule(tuple(order), tuple(dims) if dims is not None else None)
    random = np.random.default_rng(seed)
    widths = {"observation": 4, "achieved_goal": 2, "desired_goal": 2}
    batch = {key: random.normal(size=(5, width)) for key, width in widths.items()}
    together = rule.flatten(batch)
    alone = [rule.flatten({key: values[row] for key, values in batch.items()}) for row in range(5)]
    assert together.dtype == np.float32
    assert together.shape == (5, observation_width(rule, _SPACE))
    np.testing.assert_array_equal(together, np.stack(alone))


def test_entries_are_concatenated_in_the_order_of_the_keys_or_sorted() -> None:
    observation = {"b": np.array([1.0, 2.0]), "a": np.array([3.0])}
    assert ObservationRule(("b", "a")).flatten(observation).tolist() == [1, 2, 3]
    assert ObservationRule().flatten(observation).tolist() == [3, 1, 2]
    assert ObservationRule(dims=(2, 0)).flatten(observation).tolist() == [2, 3]


@pytest.mark.parametrize(
    ("rule", "space", "expected"),
    [
        (
            ObservationRule(("observation", "desired_gaol")),
            _SPACE,
            "observation_keys: unknown entry 'desired_gaol'; did you mean 'desired_goal'?; "
            "known: achieved_goal, desired_goal, observation",
        ),
        (
            ObservationRule(("observation",), (0, 4)),
            _SPACE,
            "observation_dims: 4 is out of range; an observation has 4 dimensions",
        ),
        (
            ObservationRule(dims=(3,)),
            _box(3),
            "observation_dims: 3 is out of range; an observation has 3 dimensions",
        ),
        (
            ObservationRule(("observation",)),
            _box(3),
            "observation_keys: observations are Box(-1.0, 1.0, (3,), float32), without entries",
        ),
        (
            ObservationRule(),
            spaces.Dict({"image": _box(2, 2)}),
            "entries 'image' of the observations are Box(-1.0, 1.0, (2, 2), float32); "
            "only vectors (Box spaces of one axis) can be flattened",
        ),
        (
            ObservationRule(),
            spaces.Discrete(3),
            "observations are Discrete(3); only vectors (Box spaces of one axis) can be flattened",
        ),
    ],
)
def test_a_rule_that_does_not_fit_the_space_is_refused(
    rule: ObservationRule, space: spaces.Space[object], expected: str
) -> None:
    with pytest.raises(DataError) as refusal:
        observation_width(rule, space)
    assert str(refusal.value) == expected


def test_discrete_actions_are_refused() -> None:
    assert action_width(_box(3)) == 3
    with pytest.raises(DataError, match=r"^actions are Discrete\(7\); only vectors"):
        action_width(spaces.Discrete(7))


def test_columns_say_where_a_vector_holds_an_entry() -> None:
    rule = ObservationRule(("observation", "desired_goal"), (5, 0, 4, 1))
    assert columns(rule, _SPACE, "desired_goal", (0, 1)) == (2, 0)
    assert columns(rule, _SPACE, "observation", (0, 1)) == (1, 3)
    assert columns(rule, _SPACE, "observation", (2, 3)) is None
    assert columns(rule, _SPACE, "achieved_goal", (0, 1)) is None
    assert columns(ObservationRule(), _box(3), "observation", (0, 1)) is None
