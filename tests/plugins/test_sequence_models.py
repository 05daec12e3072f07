"""What is true of every sequence model that comes with ttf, whatever its kind."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch
from hypothesis import settings
from tests.core.toys import corridor_rows, fitted
from tests.plugins.sequence_models import cases, changed_positions, random_tokens, shaken
from torch import Tensor, nn

from ttf.episodes import Windows, tokenise
from ttf.interfaces.model import State
from ttf.layout import Layout
from ttf.loss import TokenLoss
from ttf.sections import TrainingConfig
from ttf.testing import check_sequence_model
from ttf_plugins.gpt import GPTConfig
from ttf_plugins.lstm import LSTMConfig
from ttf_plugins.markov import MarkovConfig

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from ttf.component import ModelConfig
    from ttf.registry import Registry

SMALL = (
    GPTConfig(layers=2, heads=2, width=8, value_leak="blocked"),
    LSTMConfig(layers=2, width=8),
    MarkovConfig(layers=2, width=8),
)
of_every_kind = pytest.mark.parametrize("config", SMALL, ids=lambda config: config.kind)


def test_every_kind_is_among_them(builtin_registry: Registry) -> None:
    assert [config.kind for config in SMALL] == sorted(builtin_registry.kinds("model"))


@pytest.mark.parametrize(
    "config",
    [
        *SMALL,
        *(GPTConfig(layers=2, heads=2, width=8, waves=2, table=table) for table in (True, False)),
        *(MarkovConfig(layers=2, width=8, waves=2, table=table) for table in (True, False)),
    ],
    ids=repr,
)
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32], ids=str)
def test_the_contract_of_sequence_models_is_kept(config: ModelConfig, dtype: torch.dtype) -> None:
    check_sequence_model(config, dtype=dtype, cases=30)


@of_every_kind
@settings(max_examples=20, deadline=None)
@cases
def test_a_past_value_changes_nothing(config: ModelConfig, layout: Layout, bins: int, context: int, seed: int) -> None:
    model = shaken(config, layout, bins, context)
    tokens = random_tokens(model, seed)
    places = [place for place, slot in enumerate(layout.slots(model.block)) if slot == layout.value]
    assert len(places) == context - 1
    assert [changed_positions(model, tokens, place) for place in places] == [[]] * len(places)


@of_every_kind
def test_the_same_seed_gives_the_same_weights(config: ModelConfig) -> None:
    models = []
    for seed in (5, 5, 6):
        torch.manual_seed(seed)
        models.append(config.build(Layout(2, 1), 5).state_dict())
    assert all(torch.equal(models[0][name], models[1][name]) for name in models[0])
    assert not torch.equal(models[0]["head.weight"], models[2]["head.weight"])


@of_every_kind
def test_dropout_acts_in_training_only(config: ModelConfig) -> None:
    model = config.model_copy(update={"dropout": 0.5}).build(Layout(2, 1), 5)
    tokens = torch.zeros(1, 9, dtype=torch.int64)
    assert not torch.equal(model(tokens), model(tokens))
    model.eval()
    assert torch.equal(model(tokens), model(tokens))


@of_every_kind
def test_a_sequence_that_is_too_long_is_refused_at_once_or_step_by_step(config: ModelConfig) -> None:
    model = config.model_copy(update={"context": 2}).build(Layout(2, 1), 5)
    message = r"^10 tokens, but this model reads at most 9$"
    with pytest.raises(ValueError, match=message):
        model(torch.zeros(1, 10, dtype=torch.int64))
    _, state = model.step(torch.zeros(1, 9, dtype=torch.int64), model.start(1, 9))
    with pytest.raises(ValueError, match=message):
        model.step(torch.zeros(1, 1, dtype=torch.int64), state)


@pytest.mark.parametrize(
    ("config", "name"), list(zip(SMALL, ("a GPT", "an LSTM", "a Markov model"), strict=True)), ids=lambda x: str(x)[:8]
)
def test_the_state_of_another_model_is_refused(config: ModelConfig, name: str) -> None:
    class Foreign(State):
        def select(self, rows: Tensor) -> Foreign:
            raise NotImplementedError

    model = config.build(Layout(2, 1), 5)
    with pytest.raises(TypeError, match=rf"^{name} continues the states it started, found Foreign$"):
        model.step(torch.zeros(1, 1, dtype=torch.int64), Foreign(groups=1))


@of_every_kind
def test_a_model_that_is_moved_leaves_nothing_behind(config: ModelConfig) -> None:
    model = config.build(Layout(2, 1), 5).to("meta").eval()
    assert {tensor.device.type for tensor in [*model.parameters(), *model.buffers()]} == {"meta"}
    state = model.start(2, 9)
    for length in (4, 1, 2):  # within a transition, its last token, into the next one
        logits, state = model.step(torch.zeros(2 * state.rows, length, dtype=torch.int64, device="meta"), state)
        assert logits.device.type == "meta"
        state = state.repeat(2)


@of_every_kind
def test_gradients_reach_every_parameter_but_the_embeddings_of_hidden_values(config: ModelConfig) -> None:
    model = shaken(config, Layout(2, 1), bins=3, context=3)
    tokens = random_tokens(model, seed=0, batch=64)
    loss = model(tokens).logsumexp(-1).square().sum()
    loss.backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.isfinite().all(), name
        assert parameter.grad.any(), name
    (table,) = model.get_submodule("tok_emb").parameters()
    assert table.grad is not None
    used = (table.grad.abs().amax(1) > 0).tolist()
    assert used == [True] * 12 + [False] * 3 + [True]  # slots 0..3, value, stop


@of_every_kind
def test_what_follows_from_the_past_is_learned(config: ModelConfig, tmp_path: Path) -> None:
    """The loss on walks not seen falls below what the frequencies of the tokens allow."""
    rows, held_out = corridor_rows(0, 200), corridor_rows(1000, 50)
    discretizer = fitted(rows)
    tokens = [tokenise(part, discretizer, tmp_path / f"{len(part.values)}.npy") for part in (rows, held_out)]
    windows, others = (
        Windows(t, part, stop=discretizer.stop, context=2, stride=1)
        for t, part in zip(tokens, (rows, held_out), strict=True)
    )
    torch.manual_seed(0)
    model = config.model_copy(update={"context": 2, "width": 32, "dropout": 0.0}).build(rows.layout, discretizer.bins)
    loss = TokenLoss(discretizer, TrainingConfig(), model.block)
    optimizer = torch.optim.AdamW(model.parameters(), lr=5e-3)
    order = np.random.default_rng(0)
    for _ in range(200):
        batch = windows.batch(order.integers(len(windows), size=64))
        optimizer.zero_grad()
        loss(model(batch.inputs), batch).backward()  # type: ignore[no-untyped-call]  # torch leaves it untyped
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
    batch = others.batch(np.arange(len(others)))
    with torch.no_grad():
        found, counts = loss.sums(model.eval()(batch.inputs), batch)
    assert float(found.sum() / counts.sum()) < 0.6 * unigram(tokens[0], tokens[1], discretizer.vocabulary)


def unigram(seen: NDArray[np.integer], others: NDArray[np.integer], vocabulary: int) -> float:
    """Cross-entropy of tokens (N, D) under the frequencies of each column in others (M, D)."""
    counts = np.stack([np.bincount(column, minlength=vocabulary) for column in seen.T]) + 1.0  # (D, V)
    frequencies = counts / counts.sum(1, keepdims=True)
    return float(-np.log(np.take_along_axis(frequencies, others.T.astype(np.int64), 1)).mean())
