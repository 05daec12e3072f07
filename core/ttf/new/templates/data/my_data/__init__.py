"""Data `my_data`: a point on a line that is pushed back and forth."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field
from ttf import hookimpl
from ttf.component import Component, DataConfig

if TYPE_CHECKING:
    from ttf.interfaces.data import DataSource
    from ttf.interfaces.progress import Progress

ttf_api = "1"


class MyDataConfig(DataConfig):
    """Push a point along a line, more or less towards its middle."""

    kind: Literal["my_data"] = "my_data"

    episodes: Annotated[int, Field(ge=1, le=100_000)] = 100
    """Episodes to record."""

    steps: Annotated[int, Field(ge=2, le=10_000)] = 20
    """Steps of an episode."""

    noise: Annotated[float, Field(ge=0, le=10)] = 0.5
    """Standard deviation of what is added to each push."""

    def build(self, *, seed: int, progress: Progress) -> DataSource:
        """Record the episodes."""
        from my_data.my_data import MyData, recorded

        with progress.task("recording", self.episodes, unit="episodes") as task:
            episodes = [recorded((seed, number), self.steps, self.noise, task) for number in range(self.episodes)]
        return MyData(episodes, self.observation_dims)


@hookimpl
def ttf_components() -> list[type[Component]]:
    """The components of this plugin."""
    return [MyDataConfig]
