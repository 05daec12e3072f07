"""Sequence model `my_model`: gated recurrent units."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field
from ttf import hookimpl
from ttf.component import Component, ModelConfig

if TYPE_CHECKING:
    from ttf.interfaces.model import SequenceModel
    from ttf.layout import Layout

ttf_api = "1"


class MyModelConfig(ModelConfig):
    """Gated recurrent units: all of the past in a state of fixed size."""

    kind: Literal["my_model"] = "my_model"

    width: Annotated[int, Field(ge=1, le=8192)] = 128
    """Width of the embeddings and of the state."""

    def build(self, layout: Layout, bins: int) -> SequenceModel:
        """Make the model with fresh weights."""
        from my_model.my_model import MyModel

        return MyModel(layout, bins, self.context, self.width)


@hookimpl
def ttf_components() -> list[type[Component]]:
    """The components of this plugin."""
    return [MyModelConfig]
