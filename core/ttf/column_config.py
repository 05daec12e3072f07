"""The options of models that embed and predict the tokens of every column: of :class:`ttf.columns.ColumnModel`."""

from __future__ import annotations

from typing import Annotated

from pydantic import ConfigDict, Field, JsonValue, model_validator

from ttf.component import ModelConfig

__all__ = ["WAVES_OR_TABLE", "ColumnModelConfig"]

#: What the validator below says, for the JSON Schema.
WAVES_OR_TABLE: dict[str, JsonValue] = {
    "if": {"properties": {"table": {"const": False}}, "required": ["table"]},
    "then": {"properties": {"waves": {"minimum": 1}}, "required": ["waves"]},
}


class ColumnModelConfig(ModelConfig):
    """A model whose embeddings and heads are tables, waves over the bins, or both."""

    model_config = ConfigDict(json_schema_extra=lambda schema: schema.update(WAVES_OR_TABLE))

    waves: Annotated[int, Field(ge=0, le=64)] = 0
    """Waves over the bins of a column that its embeddings and its head are sums of, beside the published tables, so
    that neighbouring bins learn from each other: training then needs less than half of the updates. 0 for none."""

    table: bool = True
    """Whether every bin has an embedding and a head of its own, as published. Without, they are a line and the waves
    alone, and a bias for every bin, so that bins that are rare in the data are read and predicted like those beside
    them: small data sets need that."""

    @model_validator(mode="after")
    def _waves_or_table(self) -> ColumnModelConfig:
        if not self.table and not self.waves:
            message = "without its table the model needs waves: set waves to 4 or more, or table to true"
            raise ValueError(message)
        return self
