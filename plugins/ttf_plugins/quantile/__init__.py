"""Discretizer `quantile`: bins that hold about equally many of the data's values."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from ttf import hookimpl
from ttf.component import DiscretizerConfig

if TYPE_CHECKING:
    from ttf.interfaces.discretizer import Discretizer
    from ttf.layout import Layout

ttf_api = "1"


class QuantileConfig(DiscretizerConfig):
    """Bins that hold about equally many values; a column of few distinct values gets a bin for each of them."""

    kind: Literal["quantile"] = "quantile"
    """Bins that hold about equally many of the data's values."""

    reference: bool = False
    """Follow `rule` to the letter, duplicate edges and dead bins included, to plan with models trained elsewhere."""

    rule: Literal["original", "percentile"] = "original"
    """Published rule that `reference` follows: `original` is the paper's code, `percentile` its KV-cache fork."""

    def build(self, layout: Layout) -> Discretizer:
        """Make the discretizer, not fitted yet."""
        from ttf_plugins.quantile.quantile import QuantileDiscretizer

        return QuantileDiscretizer(layout, self.bins, self.rule if self.reference else None)


@hookimpl
def ttf_components() -> list[type[QuantileConfig]]:
    """The components of this plugin."""
    return [QuantileConfig]
