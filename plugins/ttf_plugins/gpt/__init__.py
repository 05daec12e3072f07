"""The Transformer of the paper: per-dimension embeddings and heads, hidden value columns."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import ConfigDict, Field, JsonValue, model_validator

from ttf import hookimpl
from ttf.column_config import WAVES_OR_TABLE, ColumnModelConfig
from ttf.component import Component

if TYPE_CHECKING:
    from ttf.interfaces.model import SequenceModel
    from ttf.layout import Layout

ttf_api = "1"


def _heads(number: int) -> dict[str, JsonValue]:
    properties: dict[str, JsonValue] = {"heads": {"const": number}, "width": {"multipleOf": number}}
    unsaid = (("heads", number == 4), ("width", 128 % number == 0))
    return {"properties": properties, "required": [name for name, fits in unsaid if not fits]}


_RULES: dict[str, JsonValue] = {"anyOf": [_heads(number) for number in range(1, 65)], **WAVES_OR_TABLE}


class GPTConfig(ColumnModelConfig):
    """The published Transformer decoder (Janner et al. 2021, section 3.1 and appendix A)."""

    # What the validators say, for the JSON Schema: one alternative per number of heads, and waves or a table.
    model_config = ConfigDict(json_schema_extra=lambda schema: schema.update(_RULES))

    kind: Literal["gpt"] = "gpt"
    """A GPT with an embedding table and an output head for every column of the transition."""

    layers: Annotated[int, Field(ge=1, le=64)] = 4
    """Transformer blocks."""

    heads: Annotated[int, Field(ge=1, le=64)] = 4
    """Attention heads per block; must divide `width`."""

    width: Annotated[int, Field(ge=1, le=8192)] = 128
    """Width of the residual stream."""

    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.1
    """Dropout on embeddings and on what each block adds."""

    attention_dropout: Annotated[float, Field(ge=0, lt=1)] = 0.1
    """Dropout on attention weights; the dearest part of training, 0 makes it faster."""

    value_leak: Literal["reference", "blocked"] = "reference"
    """Past value tokens are hidden from every other position; in the published code the position of a value token
    itself still reads it, when it predicts the next state (`reference`). `blocked` closes that leak."""

    @model_validator(mode="after")
    def _heads_divide_width(self) -> GPTConfig:
        if self.width % self.heads:
            message = f"width {self.width} must be a multiple of heads {self.heads}"
            raise ValueError(message)
        return self

    def build(self, layout: Layout, bins: int) -> SequenceModel:
        """Make the model with fresh weights."""
        from ttf_plugins.gpt.gpt import GPT

        return GPT(self, layout, bins)


@hookimpl
def ttf_components() -> list[type[Component]]:
    """Offer the model."""
    return [GPTConfig]
