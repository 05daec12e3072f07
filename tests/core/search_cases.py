"""Tiny models, discretizers and settings on which searches are compared with slow, obvious ones."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch._ops import OpOverload
from torch.fx.experimental.proxy_tensor import make_fx
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from ttf.interfaces.decoder import Plan
from ttf.interfaces.discretizer import Discretizer
from ttf.interfaces.model import SequenceModel, State
from ttf.layout import Layout
from ttf.sampling import Sampling
from ttf.search import BeamSettings
from ttf_plugins.gpt import GPTConfig, gpt, mapped
from ttf_plugins.gpt.tiled import TiledState


class Centres(Discretizer):
    """Random representative values and random dead bins; all a search needs of a discretizer."""

    def __init__(
        self, layout: Layout, bins: int, generator: torch.Generator, dtype: torch.dtype = torch.float64
    ) -> None:
        super().__init__(layout, bins)
        self.centres = nn.Buffer(torch.randn(layout.width, bins, generator=generator, dtype=dtype))
        self.live = nn.Buffer(torch.rand(layout.width, bins, generator=generator) < 0.8)
        self.live[:, 0] = True

    def fit(self, rows: Tensor) -> None:
        raise NotImplementedError

    def encode(self, values: Tensor, at: int = 0) -> Tensor:
        raise NotImplementedError

    def decode(self, tokens: Tensor, at: int = 0) -> Tensor:
        columns = torch.arange(at, at + tokens.shape[-1], device=tokens.device)
        return self.centres[columns, tokens.clamp(max=self.bins - 1)]

    def widths(self) -> Tensor:
        raise NotImplementedError

    def outside(self, values: Tensor, at: int = 0) -> Tensor:
        raise NotImplementedError

    def expectation(self, probabilities: Tensor, at: int) -> Tensor:
        return probabilities @ self.centres[at]


@dataclass(frozen=True, kw_only=True)
class Count(State):
    """Remembers nothing but how much was read."""

    def select(self, rows: Tensor) -> Count:
        return replace(self, rows=rows.shape[1])


class Ending(SequenceModel):
    """Predicts the end of the episode after every transition, and knows nothing else."""

    def forward(self, tokens: Tensor, goal: Tensor | None = None) -> Tensor:
        return self.step(tokens, Count(groups=len(tokens)))[0]

    def start(self, batch: int, capacity: int, goal: Tensor | None = None) -> State:
        return Count(groups=batch)

    def step(self, tokens: Tensor, state: State) -> tuple[Tensor, State]:
        logits = torch.zeros(*tokens.shape, self.bins + 1, dtype=torch.float64)
        slots = torch.tensor(self.layout.slots(tokens.shape[1], state.length))
        logits[:, slots == self.layout.value, self.bins] = 100.0
        return logits, replace(state, length=state.length + tokens.shape[1])

    def decayed_parameters(self) -> list[nn.Parameter]:
        return []


class Aimed(SequenceModel):
    """A model with a goal (G,) of its own."""

    def __init__(self, model: SequenceModel, goal: Tensor) -> None:
        super().__init__(model.layout, model.bins, model.context)
        self.model, self.goal = model, goal

    def forward(self, tokens: Tensor, goal: Tensor | None = None) -> Tensor:
        assert goal is None
        logits: Tensor = self.model(tokens, self.goal.expand(len(tokens), -1))
        return logits

    def start(self, batch: int, capacity: int, goal: Tensor | None = None) -> State:
        raise NotImplementedError

    def step(self, tokens: Tensor, state: State) -> tuple[Tensor, State]:
        raise NotImplementedError

    def decayed_parameters(self) -> list[nn.Parameter]:
        raise NotImplementedError


def random_case(seed: int, dtype: torch.dtype = torch.float64) -> tuple[SequenceModel, Discretizer, BeamSettings, int]:
    """A tiny model with large random weights, a discretizer, settings and a number of past transitions."""
    choose, generator = random.Random(seed), torch.Generator().manual_seed(seed)
    subgoals = random.Random(-1 - seed)
    observation, action = choose.randint(1, 3), choose.randint(1, 2)
    layout = Layout(observation, action, (0, 0)[: seed % 3], (0,) if action == 2 and subgoals.random() < 0.5 else ())
    bins, context = choose.randint(2, 6), choose.randint(2, 4)
    config = GPTConfig(
        layers=choose.randint(1, 2),
        heads=2,
        width=8,
        context=context,
        value_leak=choose.choice(["reference", "blocked"]),
    )
    model = config.build(layout, bins).to(dtype).eval()
    for parameter in model.parameters():
        parameter.data = torch.randn(parameter.shape, generator=generator, dtype=dtype) * 0.5
    horizon, past = choose.randint(1, 4), choose.randint(0, 4)
    sliding = choose.random() < 0.5
    settings = BeamSettings(
        horizon=horizon,
        beam_width=choose.randint(1, 4),
        expand=choose.randint(1, 3),
        limit=layout.block(choose.randint(2, context)) if sliding else model.block,
        discount=choose.choice([0.9, 0.99, 1.0]),
        sampling=Sampling(
            temperature=choose.choice([1.0, 0.7]),
            reference_cdf=choose.choice([None, None, 0.6]),
            top_p=choose.choice([None, 0.5]),
            top_k=choose.choice([None, 2]),
        ),
        stop=choose.choice(["end", "reference"]),
        observing=choose.choice([None, None, Sampling(0.9, top_p=0.8)]),
        choosing=subgoals.choice([None, Sampling(1.3)]),
        speculate=subgoals.choice(["on", "off"]),
    )
    discretizer = Centres(layout, bins, generator, dtype)
    discretizer.live[layout.reward, :2] = True  # a single reward makes plans of equal scores, and any of them would do
    return model, discretizer, settings, past


def beam_settings(model: SequenceModel, *, horizon: int, sampling: Sampling, **others: Any) -> BeamSettings:  # noqa: ANN401
    """Settings of a small search that shows the model all it can read."""
    defaults: dict[str, Any] = {"beam_width": 4, "expand": 2, "limit": model.block, "discount": 0.9, "stop": "end"}
    return BeamSettings(horizon=horizon, sampling=sampling, **(defaults | others))


@contextmanager
def stored(seed: int) -> Iterator[None]:
    """Small searches that store what their rows share as large ones do, or apart where those would not, or together.

    Every third stores it as searches with several threads or on a GPU do.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(mapped, "JOINED", (1024, 0, 0, 4)[seed % 4])
        kind = (TiledState, mapped.MappedState, mapped.MappedState)[seed % 3]
        patch.setattr(gpt, "kind_of_state", lambda model: kind)  # noqa: ARG005
        yield


def random_context(model: SequenceModel, discretizer: Discretizer, past: int, contexts: int, seed: int) -> Tensor:
    """Contexts of any tokens, (contexts, past * D + O)."""
    length = past * model.layout.width + model.layout.observation
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(discretizer.vocabulary, (contexts, length), generator=generator)


def random_goals(model: SequenceModel, contexts: int, seed: int) -> Tensor:
    """Goals (contexts, G), one of its own for every context; some dimensions are unknown."""
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(model.bins + 1, (contexts, model.layout.goal), generator=generator)


@contextmanager
def as_on_a_gpu() -> Iterator[None]:
    """Keys and values are stored as on a GPU, which must not be waited for."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(gpt, "kind_of_state", lambda model: TiledState)  # noqa: ARG005
        yield


class Uploads(TorchDispatchMode):  # type: ignore[no-untyped-call]  # torch leaves it untyped
    """Lists the operators that take what lies on the processor to the device ``meta``, which stands for a GPU."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.found: list[str] = []

    def __torch_dispatch__(
        self, operator: OpOverload, types: object, args: tuple[object, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> object:
        """Do what the operator does, and look where it was done."""
        done: object = operator(*args, **(kwargs or {}))
        given = {leaf.device.type for leaf in tree_leaves((args, kwargs)) if isinstance(leaf, Tensor)}
        made = {leaf.device.type for leaf in tree_leaves(done) if isinstance(leaf, Tensor)}
        if "cpu" in given and "meta" in given | made:
            self.found.append(str(operator))
        return done


WAITS = ("_local_scalar_dense", "nonzero", "lift_fresh")
"""Operators that wait for a GPU, or copy what the program made to it."""


def traced(search: Callable[..., Plan], inputs: Sequence[Tensor | None]) -> Callable[..., Plan]:
    """The operators of a search, recorded and then replayed as a GPU does, without one.

    Recording fails where the search asks a tensor for a value, and the test where an operator is none for a recording.
    """

    def planned(*inputs: Tensor | None) -> tuple[Tensor, Tensor]:
        plan = search(*inputs)
        return plan.tokens, plan.score

    with torch.inference_mode(mode=False), torch.no_grad():
        graph = make_fx(planned)(*inputs)
    for node in graph.graph.nodes:
        assert not any(name in str(node.target) for name in WAITS), node
        assert "_to_copy" not in str(node.target) or node.kwargs.get("device") is None, node
    return torch.no_grad()(lambda *inputs: Plan(*graph(*inputs)))
