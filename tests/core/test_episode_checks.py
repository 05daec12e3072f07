"""Episodes are refused with one line that says where the mistake is."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from ttf.episode_checks import check_episodes
from ttf.episode_hash import content_hash
from ttf.errors import DataError
from ttf.interfaces.data import Episode

if TYPE_CHECKING:
    from numpy.typing import NDArray


def _episode(steps: int = 20, observation: int = 3, action: int = 2) -> Episode:
    return Episode(
        observations=np.ones((steps, observation), np.float32),
        actions=np.ones((steps, action), np.float32),
        rewards=np.ones(steps, np.float32),
        terminated=False,
        final_observation=np.ones(observation, np.float32),
    )


def _with(field: str, place: tuple[int, ...], value: float) -> Episode:
    episode = _episode()
    values: NDArray[np.float32] = getattr(episode, field)
    values[place] = value
    return episode


def _refusal(episodes: list[Episode]) -> str:
    with pytest.raises(DataError) as refusal:
        check_episodes(episodes)
    return str(refusal.value)


def test_good_episodes_give_the_widths_of_observation_and_action() -> None:
    assert check_episodes([_episode(), _episode(steps=2)]) == (3, 2)


@pytest.mark.parametrize(
    ("field", "place", "value", "expected"),
    [
        ("observations", (17, 2), np.nan, "episode 3, step 17: observations[2] is nan"),
        ("actions", (0, 1), np.inf, "episode 3, step 0: actions[1] is inf"),
        ("rewards", (19,), -np.inf, "episode 3, step 19: rewards is -inf"),
        ("final_observation", (1,), np.nan, "episode 3: final_observation[1] is nan"),
    ],
)
def test_a_value_that_is_not_finite_is_named(field: str, place: tuple[int, ...], value: float, expected: str) -> None:
    episodes = [*[_episode() for _ in range(3)], _with(field, place, value)]
    assert _refusal(episodes) == f"{expected} (1 non-finite value in this episode)"


def test_all_values_that_are_not_finite_are_counted() -> None:
    episode = _with("observations", (17, 2), np.nan)
    episode.actions[4, 0] = np.nan
    expected = "episode 0, step 17: observations[2] is nan (2 non-finite values in this episode)"
    assert _refusal([episode]) == expected


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"rewards": np.ones(19, np.float32)}, "episode 1: 20 observations but 19 rewards"),
        ({"actions": np.ones((21, 2), np.float32)}, "episode 1: 21 actions but 20 rewards"),
        ({"actions": np.ones(20, np.float32)}, "episode 1: actions have shape (20,); expected 2 axes"),
        ({"rewards": np.ones((20, 1), np.float32)}, "episode 1: rewards have shape (20, 1); expected 1 axes"),
        ({"actions": np.ones((20, 0), np.float32)}, "episode 1: actions have no dimensions"),
        ({"rewards": np.array([None] * 20)}, "episode 1: rewards are of dtype object; expected numbers"),
        (
            {"final_observation": np.ones(4, np.float32)},
            "episode 1: final_observation has 4 dimensions, observations have 3",
        ),
    ],
)
def test_fields_that_do_not_fit_together_are_named(change: dict[str, Any], expected: str) -> None:
    assert _refusal([_episode(), replace(_episode(), **change)]) == expected


def test_widths_that_differ_between_episodes_are_named() -> None:
    wide = "episode 1: observations have 4 dimensions, those of episode 0 have 3"
    narrow = "episode 1: actions have 1 dimensions, those of episode 0 have 2"
    assert _refusal([_episode(), _episode(observation=4)]) == wide
    assert _refusal([_episode(), _episode(action=1)]) == narrow


def test_no_episodes_and_episodes_without_a_window_are_refused() -> None:
    needs = "an episode needs 2 steps to yield a training window"
    assert _refusal([]) == "the data set has no episodes"
    assert _refusal([_episode(), _episode(steps=0)]) == f"episode 1: is empty; {needs}"
    assert _refusal([_episode(steps=1)]) == f"episode 0: has one step only; {needs}"


def test_the_content_hash_changes_with_every_field_and_with_nothing_else() -> None:
    original = content_hash([_episode(), _episode()])
    assert content_hash([_episode(), _episode()]) == original
    changes = [_with(field, (1,), 2.0) for field in ("observations", "actions", "rewards", "final_observation")]
    changes += [replace(_episode(), terminated=True), replace(_episode(), final_observation=None)]
    hashes = [content_hash([_episode(), changed]) for changed in changes]
    assert len({original, *hashes}) == 1 + len(changes)
