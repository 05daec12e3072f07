"""Decoders plan in another precision with a copy of the model, whose logits are drawn from in float32."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import torch

from ttf.layout import Layout
from ttf.likelihood import LikelihoodDecoder
from ttf.reader import Reader
from ttf.search import BeamDecoder
from ttf_plugins.beam_search import BeamSearchConfig
from ttf_plugins.gpt import GPTConfig
from ttf_plugins.imitation import ImitationConfig
from ttf_plugins.lstm import LSTMConfig
from ttf_plugins.markov import MarkovConfig
from ttf_plugins.uniform import UniformConfig

if TYPE_CHECKING:
    from ttf.beam import SearchDecoderConfig
    from ttf.component import ModelConfig

LAYOUT, BINS = Layout(3, 2), 8


@pytest.mark.parametrize("model_config", [GPTConfig, LSTMConfig, MarkovConfig])
@pytest.mark.parametrize("decoder_config", [BeamSearchConfig, ImitationConfig])
def test_bfloat16_plans_with_a_copy_whose_logits_are_all_but_those_of_float32(
    model_config: type[ModelConfig], decoder_config: type[SearchDecoderConfig]
) -> None:
    torch.manual_seed(0)
    model = model_config.model_validate({"width": 16, "context": 3}).build(LAYOUT, BINS).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.normal_(std=0.2)
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    discretizer = UniformConfig(bins=BINS).build(LAYOUT)
    discretizer.fit(torch.randn(100, LAYOUT.width))
    fields = {"horizon": 2, "beam_width": 4, "precision": "bfloat16"}
    config = decoder_config.model_validate(fields)
    decoder = config.build(config.planning(model), discretizer, discount=0.9, critic=None)
    context = torch.randint(BINS, (2, LAYOUT.width + LAYOUT.observation))
    plan = decoder.plan(context, torch.Generator().manual_seed(0))
    assert plan.tokens.shape == (2, 2, LAYOUT.width)
    assert plan.score.isfinite().all()
    assert isinstance(decoder, BeamDecoder | LikelihoodDecoder)
    copied, settings = decoder.search.model, decoder.search.settings
    assert {parameter.dtype for parameter in copied.parameters()} == {torch.bfloat16}
    with torch.inference_mode():
        rough, exact = (Reader(one, context, settings).logits() for one in (copied, model))
    assert rough.dtype == torch.float32
    torch.testing.assert_close(rough, exact, rtol=0, atol=0.05)
    assert not torch.equal(rough, exact)
    for name, tensor in model.state_dict().items():
        assert torch.equal(tensor, before[name])
