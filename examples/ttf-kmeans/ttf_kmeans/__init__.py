"""Discretizer `kmeans`: bins around the means of their values."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from ttf import hookimpl
from ttf.component import Component, DiscretizerConfig

if TYPE_CHECKING:
    from ttf.interfaces.discretizer import Discretizer
    from ttf.layout import Layout

ttf_api = "1"


class KMeansConfig(DiscretizerConfig):
    """Bins around the means of their values (Lloyd 1982), for a small mean squared error.

    It begins with the best bins there are for 256 points that stand for all values; with more than 128 bins, with
    equally many distinct values in each. A bin that runs empty begins anew where the error is largest.
    """

    kind: Literal["kmeans"] = "kmeans"

    iterations: Annotated[int, Field(ge=1, le=10_000)] = 100
    """Steps at most; fewer where nothing changes any more."""

    def build(self, layout: Layout) -> Discretizer:
        """Make the discretizer, not fitted yet."""
        from ttf_kmeans.kmeans import KMeansDiscretizer

        return KMeansDiscretizer(layout, self.bins, self.iterations)


@hookimpl
def ttf_components() -> list[type[Component]]:
    """The components of this plugin."""
    return [KMeansConfig]
