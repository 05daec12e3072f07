"""Bring trained weights from other implementations of the Trajectory Transformer.

Three formats are known by their parameter names: the paper's code (``original``), the class that Hugging Face
transformers had (``huggingface``) and the KV-cache fork (``fork``). All are converted to the names of the ``gpt``
plugin::

    weights = interop.convert(interop.read("state_48.safetensors"))
    layout = weights.layout(observation=17, action=6)
    config = GPTConfig(context=weights.context, layers=weights.layers, width=weights.width, heads=4)
    model = config.build(layout, weights.bins)
    interop.load(model, weights)

What is *not* in such weights: the split into observation and action, the number of heads, and the discretizer.
Fit the discretizer with ``reference: true`` on the data the weights were trained on.

The published files are pickles, which can run code and are not read here. Convert one you trust yourself::

    from safetensors.torch import save_file
    save_file(torch.load("state_48.pt", map_location="cpu", weights_only=True), "state_48.safetensors")
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal
from zipfile import BadZipFile

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from ttf.errors import CheckpointError
from ttf.layout import Layout

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ttf.interfaces.model import SequenceModel

Format = Literal["original", "huggingface", "fork"]

_MASK = re.compile(r"blocks\.\d+\.(attn\.mask|attn_mask)")  # buffers that follow from the layout
_SEPARATE = ("attn.query", "attn.key", "attn.value")

#: What the gpt plugin calls a part of a block -> the parts whose rows it stacks, by format.
_BLOCK: dict[Format, dict[str, tuple[str, ...]]] = {
    "original": {
        "ln1": ("ln1",),
        "ln2": ("ln2",),
        "attn.qkv": _SEPARATE,
        "attn.proj": ("attn.proj",),
        "mlp.0": ("mlp.0",),
        "mlp.2": ("mlp.2",),
    },
    "huggingface": {
        "ln1": ("ln1",),
        "ln2": ("ln2",),
        "attn.qkv": _SEPARATE,
        "attn.proj": ("attn.proj",),
        "mlp.0": ("l1",),
        "mlp.2": ("l2",),
    },
    "fork": {
        "ln1": ("norm1",),
        "ln2": ("norm2",),
        "attn.qkv": ("attention.in_proj",),
        "attn.proj": ("attention.out_proj",),
        "mlp.0": ("mlp.0",),
        "mlp.2": ("mlp.2",),
    },
}
_NORM: dict[Format, str] = {"original": "ln_f", "huggingface": "ln_f", "fork": "norm"}
_STOP_LOGIT = -100.0


@dataclass(frozen=True)
class Weights:
    """Trained weights under the gpt plugin's names, and what their shapes say about the model."""

    format: Format
    """Where they came from."""

    bins: int
    """Bins per column, N."""

    columns: int
    """Columns of a transition, D."""

    width: int
    """Width of the residual stream."""

    layers: int
    """Transformer blocks."""

    context: int
    """Transitions the model sees at most, L."""

    stop: bool
    """Whether a stop token was trained. If not (``fork``), its embedding is zero and its logit is -100 everywhere."""

    state_dict: dict[str, Tensor]
    """The parameters."""

    def layout(self, observation: int, action: int) -> Layout:
        """The layout with so many observation and action dimensions, which the weights do not tell.

        Raises:
            CheckpointError: they do not add up to ``columns``.
        """
        layout = Layout(observation, action)
        if layout.width != self.columns:
            message = (
                f"weights are for transitions of {self.columns} columns; observation {observation} + action {action}"
                f" + reward + value make {layout.width}; expected observation + action = {self.columns - 2}"
            )
            raise CheckpointError(message)
        return layout


def read(file: Path | str) -> dict[str, Tensor]:
    """The tensors of a ``.safetensors`` or ``.npz`` file.

    Raises:
        CheckpointError: it is missing, corrupt or of another kind.
    """
    file = Path(file)
    if file.suffix not in (".safetensors", ".npz"):
        message = f"{file}: expected .safetensors or .npz; ttf.interop says how to convert a .pt or .bin file"
        raise CheckpointError(message)
    try:
        if file.suffix == ".safetensors":
            return load_file(file)
        with np.load(file, allow_pickle=False) as arrays:
            return {name: torch.from_numpy(arrays[name]) for name in arrays.files}
    except (OSError, SafetensorError, BadZipFile, ValueError, TypeError, EOFError) as error:
        message = f"{file}: cannot be read as {file.suffix[1:]}: {error}"
        raise CheckpointError(message) from error


def convert(state_dict: Mapping[str, Tensor]) -> Weights:
    """Recognise a state dict and convert it to the names of the gpt plugin.

    A ``fork`` model reads one token more than ours, the last value of a window; its position is dropped.

    Raises:
        CheckpointError: the format is not known, or a parameter is missing, unknown or of a wrong shape.
    """
    kind = _format(state_dict)
    found = {
        name.replace("in_proj_", "in_proj."): tensor for name, tensor in state_dict.items() if not _MASK.fullmatch(name)
    }
    layers = len({name.split(".")[1] for name in found if name.startswith("blocks.")})
    sources = _sources(kind, layers)
    _check_names(set(found), {name for names in sources.values() for name in names}, kind)
    converted = {name: torch.cat([found[part] for part in parts]) for name, parts in sources.items()}
    columns, width, bins, context = _shapes(converted, kind)
    if kind == "fork":
        _add_stop(converted)
        converted["pos_emb"] = converted["pos_emb"][:, :-1]
    return Weights(kind, bins, columns, width, layers, context, kind != "fork", converted)


def load(model: SequenceModel, weights: Weights) -> None:
    """Load converted weights into a model of the same shapes.

    Raises:
        CheckpointError: the shapes differ.
    """
    expected = {"columns": model.layout.width, "bins": model.bins, "context": model.context}
    for name, value in expected.items():
        if getattr(weights, name) != value:
            message = f"weights have {name} {getattr(weights, name)}, the model {value}; build it with the weights' own"
            raise CheckpointError(message)
    try:
        model.load_state_dict(weights.state_dict)
    except RuntimeError as error:
        message = f"weights with {weights.layers} layers and width {weights.width} do not fit this model: " + " ".join(
            str(error).split()
        )
        raise CheckpointError(message) from error


def _format(names: Mapping[str, Tensor]) -> Format:
    """The format that a state dict's names give away."""
    if "goal_emb.weight" in names:
        message = "weights are of a goal-conditioned model (goal_emb.weight), which the gpt plugin is not"
        raise CheckpointError(message)
    signs: dict[Format, str] = {
        "fork": "blocks.0.attention.in_proj_weight",
        "huggingface": "blocks.0.l1.weight",
        "original": "blocks.0.attn.query.weight",
    }
    for kind, sign in signs.items():
        if sign in names:
            return kind
    examples = ", ".join(sorted(names)[:3]) or "nothing"
    message = f"weights of an unknown format: found {examples}, ...; expected one of {', '.join(signs.values())}"
    raise CheckpointError(message)


def _sources(kind: Format, layers: int) -> dict[str, tuple[str, ...]]:
    """Names of the gpt plugin, and the names in the given format whose rows each stacks."""
    sources: dict[str, tuple[str, ...]] = {name: (name,) for name in ("tok_emb.weight", "pos_emb", "head.weight")}
    for end in ("weight", "bias"):
        sources[f"ln_f.{end}"] = (f"{_NORM[kind]}.{end}",)
        for layer in range(layers):
            for ours, theirs in _BLOCK[kind].items():
                sources[f"blocks.{layer}.{ours}.{end}"] = tuple(f"blocks.{layer}.{part}.{end}" for part in theirs)
    return sources


def _check_names(found: set[str], expected: set[str], kind: Format) -> None:
    if found == expected:
        return
    missing, unknown = (", ".join(sorted(names)) or "none" for names in (expected - found, found - expected))
    hint = "; a fork model with one head for all columns has no counterpart here" if "head.bias" in found else ""
    message = f"{kind} weights do not have the expected parameters; missing: {missing}; unknown: {unknown}{hint}"
    raise CheckpointError(message)


def _shapes(weights: Mapping[str, Tensor], kind: Format) -> tuple[int, int, int, int]:
    """Columns, width, bins and context that the shapes of the head, the tokens and the positions agree on."""
    head, tokens, positions = (weights[name].shape for name in ("head.weight", "tok_emb.weight", "pos_emb"))
    stop = int(kind != "fork")
    if len(head) != 3:
        message = f"{kind} weights: head.weight is {tuple(head)}; expected (columns, bins, width)"
        raise CheckpointError(message)
    columns, vocabulary, width = head
    bins = vocabulary - stop
    context = (positions[1] + stop) // columns if len(positions) == 3 else 0
    for name, shape, expected in (
        ("tok_emb.weight", tokens, (bins * columns + stop, width)),
        ("pos_emb", positions, (1, context * columns - stop, width)),
    ):
        if tuple(shape) != expected:
            message = f"{kind} weights: {name} is {tuple(shape)}; head.weight {tuple(head)} asks for {expected}"
            raise CheckpointError(message)
    return columns, width, bins, context


def _add_stop(weights: dict[str, Tensor]) -> None:
    """Give a model without a stop token one whose embedding is zero and whose logit is -100 after every token.

    What the last norm puts out, (h - bias) / weight, adds up to zero over its width; so the map whose row is
    1 / weight is the same number, sum(bias / weight), for every h, and scaling it sets that number.
    """
    tokens, head = weights["tok_emb.weight"], weights["head.weight"]
    inverse = 1 / weights["ln_f.weight"].double()
    row = _STOP_LOGIT / (weights["ln_f.bias"] * inverse).sum() * inverse  # (width,)
    if not row.abs().max() < 1e6:
        message = "fork weights: norm.bias is zero, as if untrained; the stop token's logit cannot be kept low"
        raise CheckpointError(message)
    weights["tok_emb.weight"] = torch.cat([tokens, tokens.new_zeros(1, tokens.shape[1])])
    weights["head.weight"] = torch.cat([head, row.to(head).expand(len(head), 1, -1)], dim=1)
