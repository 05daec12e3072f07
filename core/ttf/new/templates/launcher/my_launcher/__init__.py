"""Launcher `my_launcher`: one trial after the other, and again where one fails."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field
from ttf import hookimpl
from ttf.component import Component, LauncherConfig

if TYPE_CHECKING:
    from ttf.interfaces.launcher import Launcher

ttf_api = "1"


class MyLauncherConfig(LauncherConfig):
    """Runs trials on this machine, one at a time."""

    kind: Literal["my_launcher"] = "my_launcher"

    again: Annotated[int, Field(ge=0, le=10)] = 0
    """How often a trial that has failed is tried again."""

    def build(self) -> Launcher:
        """Make the launcher."""
        from my_launcher.my_launcher import MyLauncher

        return MyLauncher(self)


@hookimpl
def ttf_components() -> list[type[Component]]:
    """The components of this plugin."""
    return [MyLauncherConfig]
