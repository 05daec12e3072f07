"""A recurrent sequence model: long short-term memory over tokens, with hidden value columns."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from ttf import hookimpl
from ttf.component import Component, ModelConfig

if TYPE_CHECKING:
    from ttf.interfaces.model import SequenceModel
    from ttf.layout import Layout

ttf_api = "1"


class LSTMConfig(ModelConfig):
    """Long short-term memory (Hochreiter and Schmidhuber 1997): all of the past in a state of fixed size."""

    kind: Literal["lstm"] = "lstm"
    """An LSTM with an embedding table and an output head for every column of the transition."""

    layers: Annotated[int, Field(ge=1, le=64)] = 2
    """Recurrent layers, one on top of the other."""

    width: Annotated[int, Field(ge=1, le=8192)] = 128
    """Width of the embeddings and of each layer's state."""

    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.1
    """Dropout on embeddings, between layers and before the heads."""

    def build(self, layout: Layout, bins: int) -> SequenceModel:
        """Make the model with fresh weights."""
        from ttf_plugins.lstm.lstm import LSTM

        return LSTM(self, layout, bins)


@hookimpl
def ttf_components() -> list[type[Component]]:
    """Offer the model."""
    return [LSTMConfig]
