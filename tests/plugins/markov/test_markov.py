"""The model sees the transition being written and the one before it: all of them, and nothing older."""

from __future__ import annotations

import pytest
import torch
from hypothesis import settings
from tests.plugins.sequence_models import cases, changed_positions, random_tokens, shaken
from torch import nn

from ttf.layout import Layout
from ttf_plugins.markov import MarkovConfig

SMALL = MarkovConfig(layers=2, width=8)


@settings(max_examples=30, deadline=None)
@cases
def test_a_token_reaches_the_rest_of_its_transition_and_all_of_the_next(
    layout: Layout, bins: int, context: int, seed: int
) -> None:
    model = shaken(SMALL, layout, bins, context)
    tokens = random_tokens(model, seed)
    for place, slot in enumerate(layout.slots(model.block)):
        if slot != layout.value:
            # What is predicted at the last token of a transition is already part of the one after.
            end = place - slot + layout.block(2)
            assert changed_positions(model, tokens, place) == list(range(place, min(end, model.block)))


@pytest.mark.parametrize("context", [2, 3, 10])
def test_what_is_predicted_does_not_depend_on_how_much_was_read(context: int) -> None:
    layout = Layout(2, 1)
    model = shaken(SMALL, layout, 4, context)
    tokens = random_tokens(model, seed=context)
    with torch.no_grad():
        whole = model(tokens)
        ends = range(1, model.block + 1)
        firsts = [max(0, (end // layout.width - 1) * layout.width) for end in ends]
        last = torch.stack([model(tokens[:, first:end])[:, -1] for first, end in zip(firsts, ends, strict=True)], 1)
    assert max(end - first for first, end in zip(firsts, ends, strict=True)) == layout.block(2)
    assert float((whole - last).abs().max()) < 1e-12


def test_the_context_changes_no_weight() -> None:
    short, long = (MarkovConfig(context=context, width=8).build(Layout(2, 1), 5) for context in (2, 10))
    long.load_state_dict(short.state_dict())
    assert short.block == 9
    assert long.block == 49


def test_weight_decay_is_for_linear_maps_and_heads_only() -> None:
    model = SMALL.build(Layout(2, 1), 5)
    decayed = {id(parameter) for parameter in model.decayed_parameters()}
    names = {name for name, parameter in model.named_parameters() if id(parameter) in decayed}
    linear = {f"{name}.weight" for name, module in model.named_modules() if isinstance(module, nn.Linear)}
    assert len(linear) == 4
    assert names == {*linear, "mix.weight", "head.weight"}
