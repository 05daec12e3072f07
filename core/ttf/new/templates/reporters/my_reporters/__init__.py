"""Reporter `my_reporters`: a text file to read along."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field
from ttf import hookimpl
from ttf.component import Component, ReporterConfig

if TYPE_CHECKING:
    from ttf.interfaces.reporter import Reporter
    from ttf.run_dir import RunDir

ttf_api = "1"


class MyReportersConfig(ReporterConfig):
    """Writes a line of text for every metric and every evaluation episode."""

    kind: Literal["my_reporters"] = "my_reporters"

    digits: Annotated[int, Field(ge=1, le=17)] = 4
    """Significant digits of a figure."""

    def build(self, run: RunDir) -> Reporter:
        """Open the reporter; lines that are there already are kept."""
        from my_reporters.my_reporters import MyReporters

        return MyReporters(run, self.digits)


@hookimpl
def ttf_components() -> list[type[Component]]:
    """The components of this plugin."""
    return [MyReportersConfig]
