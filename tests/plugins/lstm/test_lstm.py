"""The state remembers all that was read but values, whatever the number of layers."""

from __future__ import annotations

import pytest
from hypothesis import settings
from tests.plugins.sequence_models import cases, changed_positions, random_tokens, shaken

from ttf.layout import Layout
from ttf.testing import check_sequence_model
from ttf_plugins.lstm import LSTMConfig


@pytest.mark.parametrize("layers", [1, 3])
def test_any_number_of_layers_keeps_the_contract(layers: int) -> None:
    check_sequence_model(LSTMConfig(layers=layers, width=4), cases=10)


@settings(max_examples=30, deadline=None)
@cases
def test_every_token_but_values_reaches_all_outputs_from_its_own_on(
    layout: Layout, bins: int, context: int, seed: int
) -> None:
    model = shaken(LSTMConfig(layers=2, width=8), layout, bins, context)
    tokens = random_tokens(model, seed)
    for place, slot in enumerate(layout.slots(model.block)):
        if slot != layout.value:
            assert changed_positions(model, tokens, place) == list(range(place, model.block))


def test_weight_decay_is_for_recurrent_weights_and_heads_only() -> None:
    model = LSTMConfig(layers=2, width=8).build(Layout(2, 1), 5)
    decayed = {id(parameter) for parameter in model.decayed_parameters()}
    names = {name for name, parameter in model.named_parameters() if id(parameter) in decayed}
    recurrent = {f"lstm.weight_{part}_l{layer}" for part in ("ih", "hh") for layer in (0, 1)}
    assert names == {*recurrent, "head.weight"}
