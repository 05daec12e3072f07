"""The environment kind ``gymnasium``: any registered Gymnasium environment, vectorised."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field

from ttf import hookimpl
from ttf.component import Component, EnvironmentConfig

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ttf.interfaces.data import DataSource
    from ttf.interfaces.environment import Environment

ttf_api = "1"


class GymnasiumConfig(EnvironmentConfig):
    """Act in a registered Gymnasium environment."""

    kind: Literal["gymnasium"] = "gymnasium"

    id: Annotated[str, Field(min_length=1, max_length=200)] | None = None
    """Id of the environment; null for the one the data was recorded in."""

    options: dict[str, bool | int | float | str | list[Any]] = Field(default={}, max_length=100)
    """Arguments of `gymnasium.make`, such as `max_episode_steps`; they go before the data set's own. `goal_cell`, a row
    and a column, takes a maze's goal to the centre of that cell for good."""

    def check(self) -> None:
        """Look whether the id is registered, where there is one."""
        from ttf.registered import registered_arguments

        if self.id is not None:
            registered_arguments(self.id)

    def build(self, source: DataSource) -> Environment:
        """Make one environment, to learn its spaces and whether they fit the data."""
        from ttf_plugins.gymnasium.gymnasium import make_environment

        return make_environment(self, source)


@hookimpl
def ttf_components() -> Iterable[type[Component]]:
    """What this plugin provides."""
    return [GymnasiumConfig]
