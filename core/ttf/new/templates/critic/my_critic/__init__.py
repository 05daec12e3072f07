"""Critic `my_critic`: what the policy that made the data is worth."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field
from ttf import hookimpl
from ttf.component import Component, CriticConfig

if TYPE_CHECKING:
    from ttf.interfaces.critic import Critic
    from ttf.layout import Layout

ttf_api = "1"


class MyCriticConfig(CriticConfig):
    """Values of the policy that made the data, learned from each transition and the value of what follows."""

    kind: Literal["my_critic"] = "my_critic"

    hidden: Annotated[int, Field(ge=1, le=4096)] = 256
    """Units of the hidden layer."""

    averaging: Annotated[float, Field(gt=0, le=1)] = 0.01
    """Share of the learned values that their average, which is learned from, takes over at every update."""

    def build(self, layout: Layout, *, discount: float) -> Critic:  # noqa: ARG002  (transitions carry it)
        """Make the critic with fresh weights."""
        from my_critic.my_critic import MyCritic

        return MyCritic(self, layout)


@hookimpl
def ttf_components() -> list[type[Component]]:
    """The components of this plugin."""
    return [MyCriticConfig]
