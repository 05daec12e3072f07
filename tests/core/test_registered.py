"""Environments are made by registered id only; what a data set recorded beside it is filtered."""

from __future__ import annotations

import sys

import pytest

from ttf.errors import DataError
from ttf.interfaces.data import EnvironmentSpec
from ttf.registered import make, plain_options


def test_an_unknown_id_suggests_the_closest_one() -> None:
    with pytest.raises(DataError) as refusal:
        make(EnvironmentSpec("Pendulums-v1"))
    assert str(refusal.value) == "environment 'Pendulums-v1' is not registered; did you mean 'Pendulum-v1'?"


def test_an_id_that_names_a_module_does_not_import_it() -> None:
    assert "this" not in sys.modules
    with pytest.raises(DataError, match=r"^environment 'this:Pendulum-v1' is not registered"):
        make(EnvironmentSpec("this:Pendulum-v1"))
    assert "this" not in sys.modules


def test_options_that_the_environment_refuses_are_named() -> None:
    with pytest.raises(DataError, match=r"^environment 'Pendulum-v1' cannot be made with {'gravity': 9.8}: .*gravity"):
        make(EnvironmentSpec("Pendulum-v1", {"gravity": 9.8}))


def test_only_plain_options_that_differ_from_the_registered_ones_are_taken_over() -> None:
    recorded = {
        "g": 9.8,
        "goals": [[1, "r"], (2.0, None)],
        "policy": object(),
        "nested": {"entry_point": "os:system"},
        "max_episode_steps": 200,
        "id": "os:Evil-v0",
        "render_mode": "human",
    }
    assert plain_options("Pendulum-v1", recorded) == {"g": 9.8, "goals": [[1, "r"], (2.0, None)]}
    assert plain_options("Pendulum-v1", {"max_episode_steps": 50}) == {"max_episode_steps": 50}
    assert plain_options("Unknown-v0", {"max_episode_steps": 50}) == {"max_episode_steps": 50}


@pytest.mark.filterwarnings("error")
def test_an_environment_of_an_older_version_is_made_without_a_word_about_later_ones() -> None:
    make(EnvironmentSpec("CartPole-v0")).close()
