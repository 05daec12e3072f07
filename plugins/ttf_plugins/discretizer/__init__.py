"""Analysis `discretizer`: what discretizing loses."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

from ttf import hookimpl
from ttf.component import AnalysisConfig, Component

if TYPE_CHECKING:
    from ttf.interfaces.analysis import Analysis

ttf_api = "1"


class DiscretizerAnalysisConfig(AnalysisConfig):
    """Reconstruction error, dead bins and entropy of every column, on training and on held-out episodes."""

    requires: ClassVar[tuple[str, ...]] = ("discretizer",)

    kind: Literal["discretizer"] = "discretizer"
    """What discretizing loses, column by column."""

    def build(self) -> Analysis:
        """Make the analysis."""
        from ttf_plugins.discretizer.discretizer import DiscretizerAnalysis

        return DiscretizerAnalysis()


@hookimpl
def ttf_components() -> list[type[Component]]:
    """Offer the analysis."""
    return [DiscretizerAnalysisConfig]
