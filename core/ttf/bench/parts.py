"""The components that are measured."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ttf.component import DiscretizerConfig, ModelConfig
from ttf.episodes import Rows
from ttf.errors import PluginError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ttf.component import Component
    from ttf.layout import Layout
    from ttf.registry import Registry


class Parts:
    """Makes components by their kind, with all that is not said at its default."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry

    def model(self, **fields: object) -> ModelConfig:
        """The published model."""
        made = self._made("model", "gpt", fields)
        assert isinstance(made, ModelConfig)  # noqa: S101  (components keep the rules of their slot)
        return made

    def discretizer(self, kind: str, **fields: object) -> DiscretizerConfig:
        """A discretizer."""
        made = self._made("discretizer", kind, fields)
        assert isinstance(made, DiscretizerConfig)  # noqa: S101
        return made

    def _made(self, slot: str, kind: str, fields: Mapping[str, object]) -> Component:
        """A component of a slot.

        Raises:
            PluginError: its plugin is not there.
        """
        component = self._registry.components(slot).get(kind)
        if component is None:
            why = self._registry.why_missing(kind) or "no plugin offers it"
            message = f"ttf bench measures {slot}.kind {kind}: {why}"
            raise PluginError(message)
        return component.model_validate(fields)


def random_rows(layout: Layout, count: int, episodes: int) -> Rows:
    """So many normally distributed rows of episodes of the same length that do not terminate."""
    values = np.random.default_rng(0).normal(size=(count, layout.width)).astype(np.float32)
    lengths = np.full(episodes, count // episodes)
    return Rows(layout, values, lengths, np.zeros(episodes, dtype=np.bool_), np.zeros((episodes, 0), dtype=np.float32))
