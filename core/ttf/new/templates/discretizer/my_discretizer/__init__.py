"""Discretizer `my_discretizer`: narrow bins near zero, wide ones far out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field
from ttf import hookimpl
from ttf.component import Component, DiscretizerConfig

if TYPE_CHECKING:
    from ttf.interfaces.discretizer import Discretizer
    from ttf.layout import Layout

ttf_api = "1"


class MyDiscretizerConfig(DiscretizerConfig):
    """Bins of equal width in a power of the values, which are narrower near zero."""

    kind: Literal["my_discretizer"] = "my_discretizer"

    power: Annotated[float, Field(gt=0, le=1)] = 0.5
    """Power of a value's magnitude; 1 makes bins of equal width."""

    def build(self, layout: Layout) -> Discretizer:
        """Make the discretizer, not fitted yet."""
        from my_discretizer.my_discretizer import MyDiscretizer

        return MyDiscretizer(layout, self.bins, self.power)


@hookimpl
def ttf_components() -> list[type[Component]]:
    """The components of this plugin."""
    return [MyDiscretizerConfig]
