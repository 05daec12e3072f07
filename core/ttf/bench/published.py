"""The published training step in plain PyTorch (facts of its code: Janner et al. 2021, appendices A and B).

Written from its description, to be timed against and for nothing else: separate projections, attention weights that
are materialised, masked and dropped out, heads by einsum over padded slots, AdamW without fused kernels. Parameters
have the published names, so that :mod:`ttf.interop` can load them into our model and outputs be compared before times.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812  (the field's name for it)

if TYPE_CHECKING:
    from ttf.episodes import Batch
    from ttf.layout import Layout


class PublishedAttention(nn.Module):
    """Causal self-attention to which value tokens are hidden; it drops weights, and what it gathers."""

    mask: Tensor

    def __init__(self, width: int, heads: int, dropouts: tuple[float, float], mask: Tensor) -> None:
        super().__init__()
        self.heads = heads
        self.query, self.key, self.value, self.proj = (nn.Linear(width, width) for _ in range(4))
        self.attention_dropout, self.residual_dropout = (nn.Dropout(dropout) for dropout in dropouts)
        self.register_buffer("mask", mask)

    def forward(self, x: Tensor) -> Tensor:
        """What the tokens x (B, T, width) gather."""
        batch, length, width = x.shape
        q, k, v = (
            layer(x).view(batch, length, self.heads, width // self.heads).transpose(1, 2)
            for layer in (self.query, self.key, self.value)
        )
        weights = q @ k.transpose(-2, -1) / math.sqrt(k.shape[-1])
        weights = weights.masked_fill(self.mask[:length, :length] == 0, -torch.inf).softmax(-1)
        gathered = self.attention_dropout(weights) @ v
        out: Tensor = self.residual_dropout(self.proj(gathered.transpose(1, 2).reshape(batch, length, width)))
        return out


class PublishedBlock(nn.Module):
    """Pre-norm attention and perceptron."""

    def __init__(self, width: int, heads: int, dropouts: tuple[float, float], mask: Tensor) -> None:
        super().__init__()
        self.ln1, self.ln2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.attn = PublishedAttention(width, heads, dropouts, mask)
        self.mlp = nn.Sequential(
            nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width), nn.Dropout(dropouts[1])
        )

    def forward(self, x: Tensor) -> Tensor:
        """The residual stream after it."""
        x = x + self.attn(self.ln1(x))
        out: Tensor = x + self.mlp(self.ln2(x))
        return out


class PublishedHead(nn.Module):
    """A bias-free linear map of its own for every slot."""

    def __init__(self, columns: int, vocabulary: int, width: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(columns, vocabulary, width) / math.sqrt(width))


class PublishedModel(nn.Module):
    """The published Transformer."""

    def __init__(
        self,
        layout: Layout,
        bins: int,
        context: int,
        *,
        layers: int,
        heads: int,
        width: int,
        dropout: float,
        attention_dropout: float,
    ) -> None:
        super().__init__()
        self.layout, self.bins = layout, bins
        block = layout.block(context)
        mask = torch.ones(block, block).tril()
        mask[:, layout.value :: layout.width] = 0
        self.tok_emb = nn.Embedding(bins * layout.width + 1, width)
        self.pos_emb = nn.Parameter(torch.zeros(1, block, width))
        self.drop = nn.Dropout(dropout)
        dropouts = attention_dropout, dropout
        self.blocks = nn.Sequential(*(PublishedBlock(width, heads, dropouts, mask) for _ in range(layers)))
        self.ln_f = nn.LayerNorm(width)
        self.head = PublishedHead(layout.width, bins + 1, width)
        self.apply(_initialise)

    def forward(self, tokens: Tensor) -> Tensor:
        """Logits (B, T, bins + 1) for tokens (B, T)."""
        batch, length = tokens.shape
        columns = self.layout.width
        missing = -length % columns
        offsets = torch.arange(columns, device=tokens.device).repeat(1 + length // columns)[:length] * self.bins
        rows = (tokens + offsets).masked_fill(tokens == self.bins, self.bins * columns)
        x = self.drop(self.tok_emb(rows) + self.pos_emb[:, :length])
        x = F.pad(self.ln_f(self.blocks(x)), (0, 0, 0, missing)).view(-1, columns, x.shape[-1])
        logits = torch.einsum("eoi,bei->beo", self.head.weight, x)
        return logits.reshape(batch, length + missing, -1)[:, :length]

    def optimizer(self, rate: float) -> torch.optim.AdamW:
        """AdamW with weight decay on linear maps and heads."""
        decayed = [layer.weight for layer in self.modules() if isinstance(layer, nn.Linear | PublishedHead)]
        chosen = {id(weight) for weight in decayed}
        others = [weight for weight in self.parameters() if id(weight) not in chosen]
        groups = [{"params": decayed, "weight_decay": 0.1}, {"params": others, "weight_decay": 0.0}]
        return torch.optim.AdamW(groups, lr=rate, betas=(0.9, 0.95))


def published_update(model: PublishedModel, optimizer: torch.optim.Optimizer, batch: Batch, weights: Tensor) -> float:
    """One update; ``weights`` (T,) are those of the targets. The loss."""
    logits = model(batch.inputs)
    losses = F.cross_entropy(logits.flatten(0, 1), batch.targets.flatten(), reduction="none").view(batch.targets.shape)
    loss = (losses * weights * batch.mask).mean()
    model.zero_grad()
    loss.backward()  # type: ignore[no-untyped-call]  # torch leaves it untyped
    nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    optimizer.step()
    return loss.item()


def _initialise(module: nn.Module) -> None:
    if isinstance(module, nn.Linear | nn.Embedding):
        nn.init.normal_(module.weight, std=0.02)
    if isinstance(module, nn.Linear):
        nn.init.zeros_(module.bias)
