"""Discretizer `uniform`: bins of equal width."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from ttf import hookimpl
from ttf.component import DiscretizerConfig

if TYPE_CHECKING:
    from ttf.interfaces.discretizer import Discretizer
    from ttf.layout import Layout

ttf_api = "1"


class UniformConfig(DiscretizerConfig):
    """Bins of equal width; a column of few distinct values gets a bin for each of them."""

    kind: Literal["uniform"] = "uniform"
    """Bins of equal width between the smallest and the largest value of the data."""

    reference: bool = False
    """Follow the published KV-cache fork to the letter: values nudged up by 1e-8 + 1e-5|x|, no bins per value."""

    def build(self, layout: Layout) -> Discretizer:
        """Make the discretizer, not fitted yet."""
        from ttf_plugins.uniform.uniform import UniformDiscretizer

        return UniformDiscretizer(layout, self.bins, reference=self.reference)


@hookimpl
def ttf_components() -> list[type[UniformConfig]]:
    """The components of this plugin."""
    return [UniformConfig]
