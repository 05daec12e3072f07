"""The checker of the sequence-model contract."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from ttf.interfaces.model import HasAttention, flattened, repeated
from ttf.layout import Layout
from ttf.testing.configuration import check_configuration
from ttf.testing.requirement import require
from ttf.testing.untouched import tensors_of, untouched

if TYPE_CHECKING:
    from ttf.component import ModelConfig
    from ttf.interfaces.model import SequenceModel, State

_TOLERANCE = {torch.float64: 1e-10, torch.float32: 1e-5}


def check_sequence_model(
    config: ModelConfig, *, cases: int = 20, dtype: torch.dtype = torch.float64, seed: int = 0
) -> None:
    """Check everything the contract says of a sequence model, on random layouts, contexts, splits and reorderings.

    Args:
        config: the component, small; its context is varied from 1 to 4.
        cases: random cases.
        dtype: float64, compared to 1e-10, or float32, compared to 1e-5.
        seed: of the cases and of the weights, which are moved away from their initial values.

    Raises:
        AssertionError: the contract is broken; the message says how and in which case.
    """
    check_configuration(config)
    for case in range(cases):
        generator = torch.Generator().manual_seed(seed * 100_003 + case)
        goal = (0, 0)[: _draw(0, 2, generator)]
        layout = Layout(_draw(1, 4, generator), _draw(1, 3, generator), goal)
        bins, context = _draw(2, 8, generator), _draw(1, 4, generator)
        model = _model(config.model_copy(update={"context": context}), layout, bins, generator).to(dtype)
        where = f"{layout}, bins {bins}, context {context}"
        with torch.no_grad():
            _check_forward(model, generator, where)
            _check_places(model, generator, where)
            _check_steps(model, generator, where)
            _check_branches(model, generator, where)
            _check_length(model, where)
            _check_goal(model, generator, where)
            _check_attention(model, generator, where)
        tensors_of(model)
    _check_decayed(model)


def _draw(low: int, high: int, generator: torch.Generator) -> int:
    """A number from ``low`` to ``high``, both included."""
    return int(torch.randint(low, high + 1, (), generator=generator))


def _tokens(model: SequenceModel, batch: int, length: int, generator: torch.Generator) -> Tensor:
    """Random tokens (batch, length), some of them the stop token."""
    return torch.randint(0, model.bins + 1, (batch, length), generator=generator)


def _goal(model: SequenceModel, batch: int, generator: torch.Generator) -> Tensor:
    """Random goals (batch, G), some of them unknown."""
    return _tokens(model, batch, model.layout.goal, generator)


def _model(config: ModelConfig, layout: Layout, bins: int, generator: torch.Generator) -> SequenceModel:
    """A model in evaluation mode whose every parameter matters, those that start at zero too."""
    with untouched("building the model", seed=_draw(0, 2**31, generator), draws=True):
        model = config.build(layout, bins)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.2 * torch.randn(parameter.shape, generator=generator))
    return model.eval()


def _same(found: Tensor, expected: Tensor, message: str) -> None:
    """Equal up to the tolerance of the dtype, relative to the largest logit."""
    require(found.shape == expected.shape, f"{message}: shape {tuple(found.shape)}, expected {tuple(expected.shape)}")
    difference = float((found - expected).abs().max())
    limit = _TOLERANCE[expected.dtype] * max(1.0, float(expected.abs().max()))
    require(difference <= limit, f"{message}: logits differ by {difference:.1e}, more than {limit:.1e}")


def _check_forward(model: SequenceModel, generator: torch.Generator, where: str) -> None:
    """Shape, determinism, no global random numbers, rows independent, later tokens without effect."""
    batch, length = _draw(1, 4, generator), _draw(1, model.block, generator)
    tokens, goal = _tokens(model, batch, length, generator), _goal(model, batch, generator)
    with untouched(f"{where}: forward, in eval mode,"):
        logits = model(tokens, goal)
    shape = (batch, length, model.bins + 1)
    require(logits.shape == shape, f"{where}: forward returned {tuple(logits.shape)}; expected {shape}")
    require(torch.equal(logits, model(tokens, goal)), f"{where}: forward gives different logits when called again")
    _same(model(tokens[-1:], goal[-1:]), logits[-1:], f"{where}: a row's logits depend on the other rows")
    cut = _draw(1, length, generator)
    changed = torch.cat([tokens[:, :cut], _tokens(model, batch, length - cut, generator)], 1)
    _same(model(changed, goal)[:, :cut], logits[:, :cut], f"{where}: a token changes the logits before it")


def _check_places(model: SequenceModel, generator: torch.Generator, where: str) -> None:
    """Logits at some places are those that forward has there."""
    tokens, goal = _tokens(model, 2, _draw(1, model.block, generator), generator), _goal(model, 2, generator)
    chosen = torch.rand(tokens.shape[1], generator=generator) < 0.5
    places = torch.nonzero(chosen)[:, 0] if chosen.any() else torch.tensor([tokens.shape[1] - 1])
    with untouched(f"{where}: predict, in eval mode,"):
        logits = model.predict(tokens, places, goal)
    _same(logits, model(tokens, goal)[:, places], f"{where}: predict, at places {places.tolist()}, is not forward")


def _check_steps(model: SequenceModel, generator: torch.Generator, where: str) -> None:
    """Blocks of random sizes, rows of a group reordered, dropped and repeated in between, equal the full forward."""
    batch, capacity = _draw(1, 4, generator), _draw(1, model.block, generator)
    goal, history = _goal(model, batch, generator), torch.empty(batch, 0, dtype=torch.int64)
    state = model.start(batch, capacity, goal)
    while history.shape[1] < capacity:
        change = _draw(0, 2, generator)
        if change:
            held = len(history) // batch
            rows = torch.randint(0, held, (batch, _draw(1, 5, generator)), generator=generator)
            if change == 1:
                rows = repeated(held, _draw(1, 3, generator), batch)
            state = state.repeat(rows.shape[1] // held) if change == 1 else state.select(rows)
            flat = flattened(rows, held)
            history, goal = history[flat], goal[flat]
        block = _tokens(model, len(history), _draw(1, capacity - history.shape[1], generator), generator)
        history = torch.cat([history, block], 1)
        step = f"{where}: step after {history.shape[1] - block.shape[1]} tokens"
        state = _step(model, state, block, (history, goal), step)


def _step(model: SequenceModel, state: State, block: Tensor, all_of_it: tuple[Tensor, Tensor], where: str) -> State:
    """Read a block, the end of a history; the new state. The history comes with its goal."""
    history, goal = all_of_it
    with untouched(f"{where}, in eval mode,"):
        read = model.read(block, state.repeat(1))[0]
        logits, state = model.step(block, state)
    _same(logits, model(history, goal)[:, -block.shape[1] :], f"{where} is not the full forward")
    _same(read, logits[:, -1], f"{where}: read, after repeat(1), does not give the last logits of step")
    require(state.length == history.shape[1], f"{where}: length is {state.length}, expected {history.shape[1]}")
    return state


def _check_branches(model: SequenceModel, generator: torch.Generator, where: str) -> None:
    """States selected from one state, and states of other searches, do not disturb each other."""
    if model.block < 3:
        return
    prefix = _tokens(model, 2, _draw(1, model.block - 2, generator), generator)
    goal = _goal(model, 2, generator)
    flipped, goals = prefix.flip(0), goal.flip(0)
    state = _step(model, model.start(2, model.block, goal), prefix, (prefix, goal), f"{where}: prefill")
    other = _step(model, model.start(2, model.block, goals), flipped, (flipped, goals), f"{where}: a second state")
    branches = [(other, flipped, goals)]
    for copies in (1, 3):
        flat = flattened(torch.zeros(2, copies, dtype=torch.int64), 1)
        branches.append((state.repeat(copies), prefix[flat], goal[flat]))
        branches.append((state.select(torch.zeros(2, copies, dtype=torch.int64)), prefix[flat], goal[flat]))
    for _ in range(2):
        for index, (branch, history, aim) in enumerate(branches):
            block = _tokens(model, len(history), 1, generator)
            history = torch.cat([history, block], 1)  # noqa: PLW2901  (this branch's)
            read = _step(model, branch, block, (history, aim), f"{where}: interleaved branch {index}")
            branches[index] = read, history, aim


def _check_length(model: SequenceModel, where: str) -> None:
    """A sequence longer than the model reads is refused."""
    tokens = torch.zeros(1, model.block + 1, dtype=torch.int64)
    try:
        model(tokens)
    except (ValueError, IndexError, RuntimeError):
        return
    message = f"{where}: forward took {model.block + 1} tokens; raise ValueError beyond block = {model.block}"
    raise AssertionError(message)


def _check_goal(model: SequenceModel, generator: torch.Generator, where: str) -> None:
    """No goal is an unknown one; another goal gives other logits; one of other dimensions is refused."""
    tokens = _tokens(model, 2, 1, generator)
    unknown = torch.full((2, model.layout.goal), model.bins)
    logits = model(tokens)
    _same(model(tokens, unknown), logits, f"{where}: no goal is not the same as an unknown one")
    if model.layout.goal:
        require(not torch.equal(model(tokens, unknown - 1), logits), f"{where}: a goal changes nothing")
    try:
        model(tokens, torch.zeros(2, model.layout.goal + 1, dtype=torch.int64))
    except (ValueError, IndexError, RuntimeError):
        return
    message = f"{where}: forward took a goal of {model.layout.goal + 1} dimensions; expected {model.layout.goal}"
    raise AssertionError(message)


def _check_attention(model: SequenceModel, generator: torch.Generator, where: str) -> None:
    """The attention of a model that has some: its shape, weights that sum to 1, none for what comes later."""
    if not isinstance(model, HasAttention):
        return
    batch, length, goals = 2, _draw(1, model.block, generator), model.layout.goal
    tokens, goal = _tokens(model, batch, length, generator), _goal(model, batch, generator)
    weights = model.attention(tokens, goal)
    shape = (batch, length, goals + length)
    found = (weights.shape[1], *weights.shape[3:]) if weights.ndim == 5 else tuple(weights.shape)
    require(found == shape, f"{where}: attention has (B, L, G + L) = {found}; expected {shape}")
    _same(weights.sum(-1), torch.ones_like(weights[..., 0]), f"{where}: attention weights do not sum to 1")
    later = weights.triu(goals + 1)
    require(not later.any(), f"{where}: attention is paid to later tokens")


def _check_decayed(model: SequenceModel) -> None:
    """Weight decay applies to some of the model's own parameters, each named once."""
    decayed = [id(parameter) for parameter in model.decayed_parameters()]
    own = {id(parameter) for parameter in model.parameters()}
    require(set(decayed) <= own, "decayed_parameters returned a parameter that is not the model's")
    require(len(decayed) == len(set(decayed)), "decayed_parameters returned a parameter twice")
