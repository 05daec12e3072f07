"""The data set kind ``d4rl_hdf5``: the published files of D4RL."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field, field_validator

from ttf import hookimpl
from ttf.component import Component, DataConfig

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ttf.interfaces.data import DataSource
    from ttf.interfaces.progress import Progress

ttf_api = "1"


class D4rlHdf5Config(DataConfig):
    """Read a file in D4RL's form: observations, actions, rewards, terminals, and timeouts if there are any."""

    kind: Literal["d4rl_hdf5"] = "d4rl_hdf5"

    path: Annotated[str, Field(min_length=1, max_length=4096)] = "halfcheetah_medium-v2.hdf5"
    """The file; a relative path starts in the working directory, and is absolute in what a run saves."""

    environment: Annotated[str, Field(min_length=1, max_length=200)] | None = None
    """Id of the registered environment that fits the data; null if there is none."""

    observation_keys: list[str] | None = Field(default=None, min_length=1, max_length=100)
    """Entries of the environment's Dict observation that make up the file's vectors, in order; null for all, sorted
    by name, or for an environment without a Dict observation."""

    max_episode_steps: Annotated[int, Field(ge=1)] | None = None
    """Steps after which episodes are cut off, beside where the file says so; files without `timeouts` need it."""

    append_goal: bool = False
    """Whether to append `infos/goal` to every observation, and to split episodes where it changes."""

    @field_validator("path")
    @classmethod
    def _from_anywhere(cls, path: str) -> str:
        """The absolute path, so that the recipe a run saves finds the file from any folder."""
        return str(Path(os.path.expanduser(path)).absolute())  # noqa: PTH111  (keeps the ~ of nobody, without an error)

    def check(self) -> None:
        """Look whether the file is there."""
        from ttf_plugins.d4rl_hdf5.d4rl_hdf5 import require_file

        require_file(Path(self.path))

    def build(self, *, seed: int, progress: Progress) -> DataSource:  # noqa: ARG002  (nothing random or slow here)
        """Read the file."""
        from ttf_plugins.d4rl_hdf5.d4rl_hdf5 import open_source

        return open_source(self)


@hookimpl
def ttf_components() -> Iterable[type[Component]]:
    """What this plugin provides."""
    return [D4rlHdf5Config]
