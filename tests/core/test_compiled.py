"""A compiled model is the model; where it cannot be compiled, training goes on without."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

import pytest
import torch
from tests.core.test_train import config, digests, gpt, newest, train_until, trainer, untimed
from tests.core.toys import Quiet
from torch import Tensor

from ttf.compiled import Forward
from ttf.interrupts import Interrupts
from ttf_plugins.gpt import GPTConfig, loops
from ttf_plugins.markov import MarkovConfig

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path
    from typing import Any

    from ttf.interfaces.model import SequenceModel

STEPS, SPLIT = 6, 4


@pytest.fixture
def traced(monkeypatch: pytest.MonkeyPatch) -> None:
    """Compile into one graph, but run it by PyTorch: no C++ compiler is needed, and none is waited for."""
    torch._dynamo.reset()
    monkeypatch.setattr(torch, "compile", functools.partial(torch.compile, backend="aot_eager", fullgraph=True))


def markov() -> SequenceModel:
    torch.manual_seed(0)
    return MarkovConfig(layers=2, width=8, context=3, dropout=0.0, waves=2).build(gpt().layout, 12)


@pytest.mark.usefixtures("traced")
@pytest.mark.parametrize("choice", ["off", "on"])
def test_logits_where_the_loss_has_a_weight_train_the_same_weights_as_all_of_them(choice: str, tmp_path: Path) -> None:
    training, made = config(steps=STEPS, compile=choice, observation_weight=0.0, reward_weight=0.0), []
    for name in ("some", "all"):
        one = trainer(tmp_path / name, [], training, markov())
        assert one._loss.places is not None
        if name == "all":
            one._loss.places = None
            one._forward = Forward(one.model, compiled=False)
        one.run(Quiet(), Interrupts())
        made.append(one.model.state_dict())
    for name, weights in made[0].items():
        torch.testing.assert_close(made[1][name], weights, rtol=1e-4, atol=1e-6)


def without_dropout() -> SequenceModel:
    torch.manual_seed(0)
    layout = gpt().layout
    return GPTConfig(layers=2, heads=2, width=8, context=3, dropout=0.0, attention_dropout=0.0).build(layout, 12)


@pytest.mark.usefixtures("traced")
@pytest.mark.parametrize("machine_code", [False, True])
def test_a_compiled_training_makes_the_same_weights_to_rounding(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, machine_code: bool
) -> None:
    if not machine_code:
        monkeypatch.setattr(loops, "compiled_loops", lambda: None)
    made = []
    for choice in ("off", "on"):
        one = trainer(tmp_path / choice, [], config(steps=STEPS, compile=choice), without_dropout())
        progress = Quiet()
        one.run(progress, Interrupts())
        assert progress.notes == []
        made.append(one.model.state_dict())
    assert made[0].keys() == made[1].keys()
    for name, weights in made[0].items():
        pair = made[1][name], weights
        compiled, plain = (without_bias_of_keys(name, each) for each in pair) if machine_code else pair
        torch.testing.assert_close(compiled, plain, rtol=1e-4, atol=1e-6)


def without_bias_of_keys(name: str, weights: Tensor) -> Tensor:
    """Without what changes nothing: its gradient is rounding, of which the optimizer makes as much as of any."""
    return weights.view(3, -1)[[0, 2]] if name.endswith("qkv.bias") else weights


@pytest.mark.usefixtures("traced")
def test_a_compiled_training_that_is_interrupted_goes_on_as_if_it_had_not_been(tmp_path: Path) -> None:
    whole: list[Mapping[str, Any]] = []
    trainer(tmp_path / "whole", whole, config(steps=STEPS, compile="on")).run(Quiet(), Interrupts())
    parts: list[Mapping[str, Any]] = []
    train_until(SPLIT, trainer(tmp_path / "parts", parts, config(steps=STEPS, compile="on")))
    again = trainer(tmp_path / "parts", parts, config(steps=STEPS, compile="on"), gpt(seed=1))
    again.restore(newest(tmp_path / "parts"))
    again.run(Quiet(), Interrupts())
    assert untimed(parts) == untimed(whole)
    assert digests(tmp_path / "parts", STEPS) == digests(tmp_path / "whole", STEPS)


def test_without_a_compiler_the_model_is_trained_as_it_is_and_one_note_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_: object) -> Tensor:
        message = "No working C++ compiler found"
        raise RuntimeError(message)

    torch._dynamo.reset()
    monkeypatch.setattr(torch, "compile", functools.partial(torch.compile, backend=fails))
    progress, plain = Quiet(), trainer(tmp_path / "off", [], config(steps=STEPS))
    one = trainer(tmp_path / "on", [], config(steps=STEPS, compile="on"))
    one.run(progress, Interrupts())
    plain.run(Quiet(), Interrupts())
    (note,) = progress.notes
    assert note.startswith("the model cannot be compiled here, and is trained as it is: ")
    assert "No working C++ compiler found" in note
    assert digests(tmp_path / "on", STEPS) == digests(tmp_path / "off", STEPS)


def test_on_a_processor_nothing_is_compiled_unless_that_is_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch, "compile", lambda *_, **__: pytest.fail("compiled"))
    trainer(tmp_path, [], config(steps=1)).run(Quiet(), Interrupts())
