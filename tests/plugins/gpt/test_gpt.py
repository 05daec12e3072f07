"""The model has the published parameters, starts as published, hides values as published, and decodes exactly."""

from __future__ import annotations

import math
from typing import Literal

import pytest
import torch
from hypothesis import settings
from tests.plugins.sequence_models import cases, changed_positions, random_tokens, shaken
from torch import Tensor, nn

from ttf.layout import Layout
from ttf.testing import check_sequence_model
from ttf_plugins.gpt import GPTConfig
from ttf_plugins.gpt.gpt import GPT, Attention

Leak = Literal["reference", "blocked"]


def small(value_leak: Leak) -> GPTConfig:
    return GPTConfig(layers=2, heads=2, width=8, value_leak=value_leak)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32], ids=str)
def test_the_published_leak_keeps_the_contract_of_sequence_models(dtype: torch.dtype) -> None:
    check_sequence_model(small("reference"), dtype=dtype, cases=30)


@pytest.mark.parametrize(
    ("observation", "action", "block", "parameters"),
    [
        (11, 3, 159, "1.23 M"),  # hopper
        (17, 6, 249, "1.47 M"),  # halfcheetah, walker2d
        (27, 8, 369, "1.79 M"),  # ant
        (29, 8, 389, "1.85 M"),  # antmaze
        (31, 8, 409, "1.90 M"),  # antmaze with its goal
        (4, 2, 79, "1.01 M"),  # pointmaze
    ],
)
def test_the_defaults_have_the_published_numbers_of_parameters(
    observation: int, action: int, block: int, parameters: str
) -> None:
    model = GPTConfig().build(Layout(observation, action), 100)
    assert model.block == block
    assert f"{sum(parameter.numel() for parameter in model.parameters()) / 1e6:.2f} M" == parameters


def test_every_parameter_has_its_published_shape() -> None:
    d, n, w, block = 7, 12, 16, 4 * 7 - 1
    model = GPTConfig(layers=2, heads=4, width=w, context=4).build(Layout(3, 2), n)
    shapes = {"tok_emb.weight": (n * d + 1, w), "pos_emb": (1, block, w), "head.weight": (d, n + 1, w)}
    shapes |= {"ln_f.weight": (w,), "ln_f.bias": (w,)}
    for layer in ("blocks.0", "blocks.1"):
        shapes |= {f"{layer}.{norm}.{part}": (w,) for norm in ("ln1", "ln2") for part in ("weight", "bias")}
        shapes |= {f"{layer}.attn.qkv.weight": (3 * w, w), f"{layer}.attn.qkv.bias": (3 * w,)}
        shapes |= {f"{layer}.attn.proj.weight": (w, w), f"{layer}.attn.proj.bias": (w,)}
        shapes |= {f"{layer}.mlp.0.weight": (4 * w, w), f"{layer}.mlp.0.bias": (4 * w,)}
        shapes |= {f"{layer}.mlp.2.weight": (w, 4 * w), f"{layer}.mlp.2.bias": (w,)}
    assert {name: tuple(parameter.shape) for name, parameter in model.named_parameters()} == shapes
    assert model.state_dict().keys() == shapes.keys()  # nothing else is saved


def test_fresh_weights_are_drawn_as_published() -> None:
    torch.manual_seed(0)
    model = GPTConfig(layers=2, heads=4, width=128).build(Layout(11, 3), 100)
    for name, parameter in model.state_dict().items():
        if name == "head.weight":
            bound = 1 / math.sqrt(128)  # Kaiming-uniform with a = sqrt(5)
            assert float(parameter.abs().max()) <= bound
            assert [float(x) for x in parameter.std((1, 2))] == pytest.approx([bound / math.sqrt(3)] * 16, rel=0.03)
        elif parameter.ndim == 2:
            assert float(parameter.std()) == pytest.approx(0.02, rel=0.02), name
            assert float(parameter.mean()) == pytest.approx(0.0, abs=0.0005), name
        else:
            ones = name.endswith(("ln1.weight", "ln2.weight", "ln_f.weight"))
            assert torch.equal(parameter, torch.full_like(parameter, float(ones))), name


def test_weight_decay_is_for_linear_maps_and_heads_only() -> None:
    model = GPTConfig(layers=2, heads=2, width=8).build(Layout(2, 1), 5)
    decayed = {id(parameter) for parameter in model.decayed_parameters()}
    names = {name for name, parameter in model.named_parameters() if id(parameter) in decayed}
    linear = {f"{name}.weight" for name, module in model.named_modules() if isinstance(module, nn.Linear)}
    assert len(linear) == 8
    assert names == {*linear, "head.weight"}


@settings(max_examples=30, deadline=None)
@cases
def test_a_past_value_reaches_one_output_as_published_and_none_if_blocked(
    layout: Layout, bins: int, context: int, seed: int
) -> None:
    published, blocked = (shaken(small(leak), layout, bins, context) for leak in ("reference", "blocked"))
    tokens = random_tokens(published, seed)
    places = [p for p, slot in enumerate(layout.slots(published.block)) if slot == layout.value]
    assert len(places) == context - 1
    for place in places:
        assert changed_positions(published, tokens, place) == [place]
        assert changed_positions(blocked, tokens, place) == []


@settings(max_examples=30, deadline=None)
@cases
def test_every_other_token_reaches_all_outputs_from_its_own_on(
    layout: Layout, bins: int, context: int, seed: int
) -> None:
    model = shaken(small("blocked"), layout, bins, context)
    tokens = random_tokens(model, seed)
    for place, slot in enumerate(layout.slots(model.block)):
        if slot != layout.value:
            assert changed_positions(model, tokens, place) == list(range(place, model.block))


@pytest.mark.parametrize("goal_columns", [(0,), (0, 1), (2, 0, 1)])
def test_a_goal_before_the_trajectory_moves_no_mask(goal_columns: tuple[int, ...]) -> None:
    """Published, it does: the mask is that of trajectories without a goal (facts page, section 1.8)."""
    layout = Layout(3, 2, goal_columns)
    model = shaken(small("blocked"), layout, 5, 3)
    tokens, goal = random_tokens(model, 0), torch.tensor([[1, 4, 5][: layout.goal]])
    for place, slot in enumerate(layout.slots(model.block)):
        seen_at = [] if slot == layout.value else list(range(place, model.block))
        assert changed_positions(model, tokens, place, goal) == seen_at


@pytest.mark.parametrize("dimension", [0, 1])
def test_every_prediction_sees_every_dimension_of_the_goal(dimension: int) -> None:
    model = shaken(small("reference"), Layout(3, 2, (0, 1)), 5, 3)
    tokens, goal = random_tokens(model, 0), torch.tensor([[1, 4]])
    other = goal.clone()
    other[0, dimension] = 2
    with torch.no_grad():
        assert bool(((model(tokens, goal) - model(tokens, other)).abs().amax((0, 2)) > 1e-13).all())


def test_goals_have_a_table_of_their_own_and_no_positions() -> None:
    plain, aimed = (shaken(small("reference"), Layout(3, 2, goal), 5, 3) for goal in ((), (0, 2)))
    shapes = {name: tuple(parameter.shape) for name, parameter in plain.named_parameters()}
    added = {"goal_emb.table.weight": (2 * (5 + 1), 8)}
    assert {name: tuple(parameter.shape) for name, parameter in aimed.named_parameters()} == shapes | added
    assert aimed.block == plain.block
    assert isinstance(aimed, GPT)
    with torch.no_grad():
        (embedded,) = aimed._goal(torch.tensor([[3, 5]]), 1)
        table = aimed.get_parameter("goal_emb.table.weight")
        assert torch.equal(embedded[0], table[[3, 6 + 5]])
        aimed.get_parameter("pos_emb").add_(1.0)
        (again,) = aimed._goal(torch.tensor([[3, 5]]), 1)
    assert torch.equal(again, embedded)


def test_the_two_kinds_of_leak_agree_where_no_value_has_been_read() -> None:
    models = [shaken(small(leak), Layout(2, 1), 4, 2) for leak in ("reference", "blocked")]
    models[1].load_state_dict(models[0].state_dict())
    tokens = torch.tensor([[0, 1, 2, 3, 4, 0, 1]])
    with torch.no_grad():
        difference = (models[0](tokens) - models[1](tokens)).abs().amax((0, 2))
    assert (difference > 1e-13).tolist() == [False] * 4 + [True] + [False] * 2


@pytest.mark.parametrize("field", ["dropout", "attention_dropout"])
def test_dropout_acts_in_training_only(field: str) -> None:
    fields = {"dropout": 0.0, "attention_dropout": 0.0} | {field: 0.5}
    model = GPTConfig(layers=1, heads=1, width=16, **fields).build(Layout(2, 1), 5)  # type: ignore[arg-type]
    tokens = torch.zeros(1, 9, dtype=torch.int64)
    assert not torch.equal(model(tokens), model(tokens))
    model.eval()
    assert torch.equal(model(tokens), model(tokens))


def test_waves_make_neighbouring_bins_alike_and_leave_out_the_stop_token() -> None:
    model = GPTConfig(layers=1, heads=1, width=64, waves=3).build(Layout(2, 1), 50)
    assert isinstance(model, GPT)
    for waves in (model.wave_emb, model.wave_head):
        assert waves is not None
        rows = waves()  # (D, bins + 1, width)
        assert rows[:, 50].eq(0).all()
        steps, far = (rows[:, 1:50] - rows[:, :49]).norm(dim=-1), (rows[:, 49] - rows[:, 0]).norm(dim=-1)
        assert float((steps.amax(1) / far).detach().max()) < 0.3


def test_waves_make_neighbouring_goals_alike_and_leave_out_the_unknown_one() -> None:
    model = GPTConfig(layers=1, heads=1, width=64, waves=3).build(Layout(2, 1, (1, 0)), 50)
    assert isinstance(model, GPT)
    with torch.no_grad():
        model.get_parameter("goal_emb.table.weight").zero_()
        goals = torch.stack([torch.arange(51)] * 2, dim=1)  # 50 is unknown
        (embedded,) = model._goal(goals, 51)  # (51, 2, width)
    assert not embedded[50].any()
    near, far = ((embedded[:25] - embedded[shift : shift + 25]).norm(dim=2) for shift in (1, 25))
    assert bool((near < far).all())
    assert not torch.equal(embedded[:, 0], embedded[:, 1])


def test_without_waves_nothing_is_added_to_the_published_tables() -> None:
    model = GPTConfig(layers=1, heads=1, width=8).build(Layout(2, 1), 5)
    assert isinstance(model, GPT)
    assert [name for name, _ in model.named_parameters() if "wave" in name] == []
    table, head, bias = model.tables()
    assert table is model.tok_emb.weight
    assert head is model.head.weight
    assert bias is None


def test_without_the_table_only_the_stop_token_has_an_embedding_and_a_head_of_its_own() -> None:
    model = GPTConfig(layers=1, heads=1, width=8, waves=3, table=False).build(Layout(2, 1), 5)
    assert isinstance(model, GPT)
    assert model.tok_emb.weight.shape == (1, 8)
    assert model.head.weight.shape == (5, 1, 8)
    assert model.wave_emb is not None
    assert model.wave_head is not None
    embedding, head, bias = model.tables()
    assert embedding.shape == (5 * 5 + 1, 8)
    assert embedding[-1].equal(model.tok_emb.weight[0])
    assert embedding[:-1].view(5, 5, 8).equal(model.wave_emb()[:, :5])
    assert head.shape == (5, 6, 8)
    assert head[:, 5:].equal(model.head.weight)
    assert head[:, :5].equal(model.wave_head()[:, :5])
    assert bias is not None
    assert bias.shape == (5, 6)
    with torch.no_grad():
        bias[0, 2] += 7  # of the slot that predicts the second column
    tokens = torch.zeros(1, 7, dtype=torch.int64)
    model.eval()
    with_bias = model(tokens)
    with torch.no_grad():
        bias[0, 2] -= 7
    added = torch.zeros(1, 7, 6)
    added[0, [0, 5], 2] = 7
    torch.testing.assert_close(with_bias - model(tokens), added)


@pytest.mark.parametrize("layout", [Layout(3, 2), Layout(1, 1), Layout(3, 2, (0, 2))], ids=str)
def test_attention_is_that_of_the_forward_pass(layout: Layout) -> None:
    model = shaken(GPTConfig(layers=2, heads=2, width=8, context=3), layout, 5, 3)
    assert isinstance(model, GPT)
    tokens, goal = random_tokens(model, 0), torch.tensor([[1, 4][: layout.goal]])
    passes: list[tuple[Attention, Tensor, Tensor]] = []
    for module in model.modules():
        if isinstance(module, Attention):
            module.register_forward_hook(lambda one, inputs, out: passes.append((one, inputs[0], out)))
    weights = model.attention(tokens, goal)
    before = model(tokens, goal)
    assert len(passes) == 2 * 2  # of both
    slots = torch.tensor(layout.slots(model.block))
    assert not weights[..., layout.goal :][..., slots == layout.value].any()
    assert not weights.triu(layout.goal + 1).any()
    torch.testing.assert_close(weights.sum(-1), torch.ones_like(weights[..., 0]))
    for (attention, x, out), of_tokens in zip(passes[:2], weights, strict=True):
        values = attention.qkv(x).chunk(3, -1)[2].view(1, x.shape[1], 2, 4).transpose(1, 2)  # (1, heads, G + L, size)
        taken = (of_tokens @ values).transpose(1, 2).flatten(2)
        torch.testing.assert_close(attention.proj(taken), out[:, layout.goal :])
    assert torch.equal(model(tokens, goal), before)  # nothing is left behind
