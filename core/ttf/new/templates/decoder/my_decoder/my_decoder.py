"""Sample plans token by token, and choose among them."""

from __future__ import annotations

from typing import TYPE_CHECKING, final

import torch
from torch import Tensor
from ttf.interfaces.decoder import Decoder, Plan
from ttf.reader import Grammar, Reader, SearchSettings
from ttf.sampling import Sampling, draw

if TYPE_CHECKING:
    from ttf.interfaces.discretizer import Discretizer
    from ttf.interfaces.model import SequenceModel

    from my_decoder import MyDecoderConfig


@final
class MyDecoder(Decoder):
    """Samples every token; a plan's score is its discounted rewards and the value after them, as it reads."""

    def __init__(
        self,
        config: MyDecoderConfig,
        model: SequenceModel,
        discretizer: Discretizer,
        discount: float,
    ) -> None:
        self.model = model
        self.discretizer = discretizer
        self.discount = discount
        self.settings = SearchSettings(
            horizon=config.horizon,
            beam_width=config.plans,
            limit=model.block,
            sampling=Sampling(config.temperature),
            stop="end",
        )
        self._grammar = Grammar(discretizer, "end")

    @torch.inference_mode()
    def plan(self, context: Tensor, generator: torch.Generator, goal: Tensor | None = None) -> Plan:
        """Plan from contexts (B, n * D + O) int64, perhaps for goals (B, G)."""
        layout, plans = self.model.layout, self.settings.beam_width
        length = self.settings.horizon * layout.width
        uniforms = torch.rand((length, len(context), plans), generator=generator).to(context.device)
        reader = Reader(self.model, context, self.settings, goal)
        reader.logits()  # read once per context, not once per plan
        reader.repeat(plans)
        start = context.shape[1] - layout.observation
        ended = torch.zeros(len(reader.tokens), dtype=torch.bool, device=context.device)
        while reader.tokens.shape[1] < start + length:
            position = reader.tokens.shape[1] - start
            column = layout.slots(1, position)[0]
            probabilities = self.settings.sampling.probabilities(self._grammar.masked(reader.logits(), column))
            tokens = draw(probabilities, uniforms[position].flatten())
            ended = self._grammar.ended(ended, tokens, column)
            reader.write(tokens.masked_fill(ended, self.discretizer.stop))
        tokens = reader.tokens[:, start:].reshape(len(context), plans, self.settings.horizon, layout.width)
        scores = self._scores(tokens)  # (B, plans)
        best = scores.argmax(1)
        rows = torch.arange(len(context), device=context.device)
        return Plan(tokens[rows, best], scores[rows, best])

    def _scores(self, tokens: Tensor) -> Tensor:
        """Discounted rewards of plans (..., H, D), and the value after the last one; nothing after an end."""
        layout = self.model.layout
        alive = (tokens[..., 0] != self.discretizer.stop).float()  # (..., H)
        values = self.discretizer.decode(tokens)
        discounts = self.discount ** torch.arange(self.settings.horizon, device=tokens.device)
        rewards = (alive * discounts * values[..., layout.reward]).sum(-1)
        return rewards + alive[..., -1] * self.discount**self.settings.horizon * values[..., -1, layout.value]
