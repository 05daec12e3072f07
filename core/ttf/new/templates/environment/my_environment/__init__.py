"""Environment `my_environment`: a point on a line that is pushed back and forth."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field
from ttf import hookimpl
from ttf.component import Component, EnvironmentConfig

if TYPE_CHECKING:
    from ttf.interfaces.data import DataSource
    from ttf.interfaces.environment import Environment

ttf_api = "1"


class MyEnvironmentConfig(EnvironmentConfig):
    """A point on a line, which should rest in its middle."""

    kind: Literal["my_environment"] = "my_environment"

    steps: Annotated[int, Field(ge=1, le=10_000)] = 20
    """Steps of an episode."""

    def build(self, source: DataSource) -> Environment:
        """Make the environment; the data says which dimensions of an observation are kept."""
        from my_environment.my_environment import MyEnvironment

        return MyEnvironment(self.steps, source.rule)


@hookimpl
def ttf_components() -> list[type[Component]]:
    """The components of this plugin."""
    return [MyEnvironmentConfig]
