"""Reporter `html`: the run as one self-contained page."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from ttf import hookimpl
from ttf.component import ReporterConfig

if TYPE_CHECKING:
    from ttf.interfaces.reporter import Reporter
    from ttf.run_dir import RunDir

ttf_api = "1"


class HtmlConfig(ReporterConfig):
    """Writes a self-contained HTML page with the results, pictures and provenance of the run.

    Learning curves and single episodes are on it if the reporter `jsonl` is listed too.
    """

    kind: Literal["html"] = "html"
    """The run as one self-contained HTML page."""

    def build(self, run: RunDir) -> Reporter:
        """Open the reporter; it reads the run folder when the run finishes."""
        from ttf_plugins.html.html import HtmlReporter

        return HtmlReporter(run)


@hookimpl
def ttf_components() -> list[type[HtmlConfig]]:
    """The components of this plugin."""
    return [HtmlConfig]
