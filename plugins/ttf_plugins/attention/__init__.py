"""Analysis `attention`: where the heads of the model look."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

from pydantic import Field

from ttf import hookimpl
from ttf.component import AnalysisConfig, Component

if TYPE_CHECKING:
    from ttf.interfaces.analysis import Analysis

ttf_api = "1"


class AttentionConfig(AnalysisConfig):
    """Attention maps of every layer and head, averaged over windows of held-out episodes.

    A Markovian head looks at the transition before; a striated one looks at the same dimension in many transitions
    (Janner et al. 2021, section 4.1).
    """

    requires: ClassVar[tuple[str, ...]] = ("model",)

    kind: Literal["attention"] = "attention"
    """Where the heads of the model look."""

    transitions: Annotated[int, Field(ge=2, le=1024)] = 5
    """Transitions of a window; at most the model's own `context`."""

    windows: Annotated[int, Field(ge=1, le=1_000_000)] = 256
    """Windows, spread over the held-out episodes."""

    def build(self) -> Analysis:
        """Make the analysis."""
        from ttf_plugins.attention.attention import AttentionAnalysis

        return AttentionAnalysis(self)


@hookimpl
def ttf_components() -> list[type[Component]]:
    """Offer the analysis."""
    return [AttentionConfig]
