"""The data set kind ``minari``: any data set of the local Minari store."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from ttf import hookimpl
from ttf.component import Component, DataConfig

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ttf.interfaces.data import DataSource
    from ttf.interfaces.progress import Progress

ttf_api = "1"


class MinariConfig(DataConfig):
    """Read a Minari data set."""

    kind: Literal["minari"] = "minari"

    dataset: Annotated[str, Field(max_length=200, pattern=r"^([A-Za-z0-9_-]+/)*[A-Za-z0-9_-]+-v[0-9]{1,9}$")] = (
        "D4RL/pointmaze/medium-v2"
    )
    """Id of the data set, as `minari list local` prints it."""

    download: bool = False
    """Whether to download the data set if it is not in the local store."""

    observation_keys: list[str] | None = Field(default=None, min_length=1, max_length=100)
    """Entries of a Dict observation to concatenate, in order; null for all, sorted by name."""

    def check(self) -> None:
        """Look whether the data set is in the local store, unless it may be downloaded."""
        from ttf.minari_store import require_dataset

        if not self.download:
            require_dataset(self.dataset)

    def build(self, *, seed: int, progress: Progress) -> DataSource:  # noqa: ARG002  (nothing random here)
        """Open the data set, after downloading it if that is asked for."""
        from ttf_plugins.minari.minari import open_source

        return open_source(self, progress)


@hookimpl
def ttf_components() -> Iterable[type[Component]]:
    """What this plugin provides."""
    return [MinariConfig]
