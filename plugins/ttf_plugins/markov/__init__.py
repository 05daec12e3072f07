"""A sequence model without memory: an autoregressive perceptron over one transition and the one before it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from ttf import hookimpl
from ttf.column_config import ColumnModelConfig
from ttf.component import Component

if TYPE_CHECKING:
    from ttf.interfaces.model import SequenceModel
    from ttf.layout import Layout

ttf_api = "1"


class MarkovConfig(ColumnModelConfig):
    """A masked perceptron (Germain et al. 2015) over a transition and the one before it: fast, and without memory."""

    kind: Literal["markov"] = "markov"
    """A token depends on the transition that it is part of and on the one before; for data whose state is observed."""

    context: Annotated[int, Field(ge=1, le=1024)] = 2
    """Transitions of a training window; each is predicted from the one before it alone, however many there are, and
    with 1 from nothing but itself."""

    layers: Annotated[int, Field(ge=1, le=64)] = 2
    """Residual perceptrons after the first map."""

    width: Annotated[int, Field(ge=1, le=8192)] = 128
    """Width of the embeddings and of the residual stream."""

    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.1
    """Dropout on what each perceptron adds."""

    def build(self, layout: Layout, bins: int) -> SequenceModel:
        """Make the model with fresh weights."""
        from ttf_plugins.markov.markov import Markov

        return Markov(self, layout, bins)


@hookimpl
def ttf_components() -> list[type[Component]]:
    """Offer the model."""
    return [MarkovConfig]
