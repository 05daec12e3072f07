"""Reporter `jsonl`: metrics and evaluation episodes as JSON lines."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from ttf import hookimpl
from ttf.component import ReporterConfig

if TYPE_CHECKING:
    from ttf.interfaces.reporter import Reporter
    from ttf.run_dir import RunDir

ttf_api = "1"


class JsonLinesConfig(ReporterConfig):
    """Appends every metric and every evaluation episode to the run folder, a line each."""

    kind: Literal["jsonl"] = "jsonl"
    """Metrics and evaluation episodes as JSON lines."""

    def build(self, run: RunDir) -> Reporter:
        """Open the reporter; files that are there already are appended to."""
        from ttf_plugins.jsonl.jsonl import JsonLinesReporter

        return JsonLinesReporter(run)


@hookimpl
def ttf_components() -> list[type[JsonLinesConfig]]:
    """The components of this plugin."""
    return [JsonLinesConfig]
