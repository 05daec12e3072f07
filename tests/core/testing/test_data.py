"""The checker of data sources finds broken ones."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from tests.core.testing.broken import MEDDLING, complaint, every_meddling, spoiled

from ttf.interfaces.data import DataSource, EnvironmentSpec, Episode, Provenance
from ttf.observations import ObservationRule
from ttf.testing import check_data_source
from ttf.testing.corridor import CorridorConfig, Homing, HomingPolicy

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ttf.interfaces.policy import Policy


@dataclass
class Open(DataSource):
    """A source whose every answer can be another one."""

    recorded: Any
    origin: Provenance
    spec: EnvironmentSpec | None
    flattened: ObservationRule
    policy: Policy | None
    meddle: Callable[[], object] = tuple

    def episodes(self) -> Sequence[Episode]:
        self.meddle()
        return self.recorded() if callable(self.recorded) else self.recorded  # type: ignore[no-any-return]

    @property
    def provenance(self) -> Provenance:
        return self.origin

    @property
    def environment(self) -> EnvironmentSpec | None:
        return self.spec

    @property
    def rule(self) -> ObservationRule:
        return self.flattened

    def behaviour(self) -> Policy | None:
        return self.policy


def opened(source: DataSource) -> Open:
    return Open(source.episodes(), source.provenance, source.environment, source.rule, source.behaviour())


def source_with(**changes: Callable[[Open], object]) -> CorridorConfig:
    """A source with some answers changed."""

    def spoil(source: DataSource) -> Open:
        made = opened(source)
        for name, change in changes.items():
            setattr(made, name, change(made))
        return made

    return spoiled(CorridorConfig(episodes=6), spoil)


def first_with(**changes: Any) -> Callable[[Open], list[Episode]]:  # noqa: ANN401  (fields of an episode)
    return lambda made: [replace(made.recorded[0], **changes), *made.recorded[1:]]


def test_a_correct_source_passes() -> None:
    check_data_source(CorridorConfig())
    check_data_source(CorridorConfig(observation_dims=[1]))
    check_data_source(source_with(), seed=3)


COUNT = iter(range(1000))
FIRST = CorridorConfig().build().episodes()[0]
SPOILED = np.where(np.arange(len(FIRST)) == 1, np.nan, FIRST.rewards).astype(np.float32)


def scaled(made: Open) -> list[Episode]:
    """Other actions whenever they are asked for."""
    factor = np.float32(1 + next(COUNT))
    return [replace(episode, actions=episode.actions / factor) for episode in made.recorded]


def unkept(made: Open) -> object:
    """What was recorded, whatever dimensions are to be kept."""
    whole = CorridorConfig(episodes=6).build().episodes()
    return made.recorded if made.flattened.dims is None else whole


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"recorded": lambda _: []}, "the data set has no episodes; refuse such data with a DataError"),
        ({"recorded": first_with(rewards=SPOILED)}, "episode 0, step 1: rewards is nan (1 non-finite value"),
        ({"recorded": first_with(actions=FIRST.actions[1:])}, "episode 0: "),
        (
            {"recorded": first_with(rewards=FIRST.rewards.astype(np.float64))},
            "episode 0: rewards are float64; expected float32",
        ),
        ({"recorded": first_with(terminated=np.True_)}, "episode 0: terminated is of <class 'numpy"),
        ({"recorded": scaled}, "built again with the same seed, the episodes differ; draw from that seed only"),
        (
            {"recorded": lambda made: partial(scaled, replace(made))},
            "called again, episodes returned others; read or make them once",
        ),
        (
            {"origin": lambda made: replace(made.origin, id=f"walks {next(COUNT)}")},
            "built again with the same seed, the provenance differs; leave out times and places",
        ),
        ({"origin": lambda made: replace(made.origin, id="")}, "provenance.id is empty; name the data set"),
        (
            {"origin": lambda made: replace(made.origin, sha256="x")},
            "provenance.sha256 is 'x'; expected 64 hexadecimal",
        ),
        (
            {"origin": lambda made: replace(made.origin, details={"steps": 3})},
            "provenance.details must map text to text",
        ),
        (
            {"spec": lambda _: EnvironmentSpec("Corridor-v0", {"make": len})},
            "environment.options are {'make': <built-in function len>}; expected plain data, such as JSON holds",
        ),
        (
            {"flattened": lambda _: ObservationRule(dims=(0,))},
            "rule.dims keeps 1 dimensions, but observations have 2; they must agree",
        ),
        ({"recorded": unkept}, "observation_dims [1, 0] does not keep these dimensions of the observations"),
        (
            {"flattened": lambda _: ObservationRule()},
            "observation_dims is [1, 0], but rule.dims None",
        ),
    ],
)
def test_a_broken_source_is_found_out(changes: dict[str, Callable[[Open], object]], message: str) -> None:
    assert complaint(lambda: check_data_source(source_with(**changes))).startswith(message)


@every_meddling
def test_a_source_that_meddles_is_found_out(meddling: str) -> None:
    config = source_with(meddle=lambda _: MEDDLING[meddling][0])
    assert complaint(lambda: check_data_source(config)).startswith(f"reading episodes {MEDDLING[meddling][1]}")


def test_a_behaviour_that_breaks_the_contract_of_policies_is_found_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Homing, "act", lambda _, observations: observations)
    found = complaint(lambda: check_data_source(source_with(policy=lambda _: HomingPolicy())))
    assert found == "behaviour: act returned (3, 2); expected (3, 1)"
