"""Analysis `my_analyses`: whether held-out episodes look like those that were trained on."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

from ttf import hookimpl
from ttf.component import AnalysisConfig, Component

if TYPE_CHECKING:
    from ttf.interfaces.analysis import Analysis

ttf_api = "1"


class MyAnalysesConfig(AnalysisConfig):
    """How far the columns of held-out episodes lie from those of the training episodes."""

    kind: Literal["my_analyses"] = "my_analyses"

    requires: ClassVar[tuple[str, ...]] = ("discretizer", "model", "training")

    def build(self) -> Analysis:
        """Make the analysis."""
        from my_analyses.my_analyses import MyAnalyses

        return MyAnalyses()


@hookimpl
def ttf_components() -> list[type[Component]]:
    """The components of this plugin."""
    return [MyAnalysesConfig]
