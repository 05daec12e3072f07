"""A recorded plan is the plan; what is recorded depends on shapes alone, and waits for nothing."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

import pytest
import torch
from tests.core.search_cases import (
    Centres,
    Uploads,
    as_on_a_gpu,
    beam_settings,
    random_case,
    random_context,
    random_goals,
    traced,
)

from ttf.captured import COMES, KEPT, Captured
from ttf.interfaces.decoder import Plan
from ttf.layout import Layout
from ttf.sampling import Sampling
from ttf.search import BeamSearch
from ttf_plugins.gpt import GPTConfig
from ttf_plugins.iql import IQLConfig
from ttf_plugins.lstm import LSTMConfig
from ttf_plugins.markov import MarkovConfig
from ttf_plugins.value_guided import ValueGuidedConfig
from ttf_plugins.value_guided.value_guided import score_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from torch import Tensor, nn

    from ttf.component import ModelConfig

CASES = 200
TRACED = 4


def given(search: BeamSearch, past: int, contexts: int, seed: int) -> tuple[Tensor, Tensor, Tensor]:
    """Contexts, goals and uniform numbers."""
    shape, generator = search.uniforms_shape(contexts), torch.Generator().manual_seed(seed)
    return (
        random_context(search.model, search.discretizer, past, contexts, seed),
        random_goals(search.model, contexts, seed),
        torch.rand(shape, generator=generator, dtype=torch.float64),
    )


@pytest.mark.parametrize("first", range(0, CASES, 100))
def test_a_plan_that_depends_on_shapes_alone_is_the_plan(first: int) -> None:
    for seed in range(first, first + 100):
        model, discretizer, settings, past = random_case(seed)
        search = BeamSearch(model, discretizer, settings)
        inputs = given(search, past, 1 + seed % 3, seed)
        with torch.inference_mode():
            plan = search._plan(*inputs)
            with as_on_a_gpu():
                static = search._plan(*inputs, static=True)
        assert static.tokens.equal(plan.tokens), f"case {seed}"
        torch.testing.assert_close(static.score, plan.score)


@pytest.mark.parametrize("seed", range(TRACED))
def test_what_was_recorded_plans_for_other_contexts_goals_and_numbers(seed: int) -> None:
    model, discretizer, settings, past = random_case(seed)
    check_recorded(BeamSearch(model, discretizer, settings), past)


MODELS = [GPTConfig, LSTMConfig, MarkovConfig]


def small_search(
    kind: type[ModelConfig],
    layout: Layout,
    critic: IQLConfig | None = None,
    sampling: Sampling | None = None,
    **settings: object,
) -> tuple[BeamSearch, list[nn.Module]]:
    """A search with a small model, and the modules it asks."""
    torch.manual_seed(0)
    model = kind.model_validate({"layers": 1, "width": 16, "context": 2}).build(layout, 8).double().eval()
    discretizer = Centres(layout, 8, torch.Generator().manual_seed(0))
    asked, score = [model, discretizer], {}
    if critic is not None:
        asked.append(critic.build(layout, discount=0.9).double().eval())
        score = {"score": score_of(ValueGuidedConfig(), discretizer, asked[-1])}  # type: ignore[arg-type]  # a critic
    sampling = sampling or Sampling(temperature=0.5, reference_cdf=0.6)
    shape = beam_settings(model, horizon=3, sampling=sampling, **settings)
    return BeamSearch(model, discretizer, shape, **score), asked


@pytest.mark.parametrize("kind", MODELS)
def test_every_model_can_be_recorded(kind: type[ModelConfig]) -> None:
    check_recorded(small_search(kind, Layout(3, 2))[0], past=1)


CRITICS = [
    (Layout(3, 2), {}),
    (Layout(3, 4, subgoal_columns=(0, 1)), {}),
    (Layout(3, 4, subgoal_columns=(0, 1)), {"subgoal_dims": [0, 1]}),
    (Layout(3, 4, subgoal_columns=(0, 1)), {"subgoal_dims": [0, 1], "subgoal_waves": 4}),
]


@pytest.mark.parametrize(("layout", "settings"), CRITICS)
def test_plans_that_a_critic_guides_can_be_recorded(layout: Layout, settings: dict[str, object]) -> None:
    critic = IQLConfig.model_validate({"hidden": 8, "layers": 1} | settings)
    check_recorded(small_search(GPTConfig, layout, critic)[0], past=1)


@pytest.mark.parametrize("kind", MODELS)
@pytest.mark.parametrize(("layout", "settings"), CRITICS)
def test_nothing_is_sent_to_a_gpu_during_a_plan(
    kind: type[ModelConfig], layout: Layout, settings: dict[str, object]
) -> None:
    critic = IQLConfig.model_validate({"hidden": 8, "layers": 1} | settings)
    check_nothing_sent(*small_search(kind, layout, critic))


@pytest.mark.parametrize("kind", MODELS)
def test_nothing_is_sent_to_a_gpu_whatever_the_sampling_and_the_goal(kind: type[ModelConfig]) -> None:
    layout, often = Layout(3, 2, goal_columns=(0, 1)), Sampling(top_p=0.8)
    check_nothing_sent(*small_search(kind, layout, sampling=Sampling(top_p=0.5, top_k=3), limit=11, observing=often))


def check_nothing_sent(search: BeamSearch, asked: list[nn.Module]) -> None:
    inputs = [tensor.to("meta") for tensor in given(search, 1, 2, seed=1)]
    for module in asked:
        module.to("meta")
    search._grammar._forbidden = [row if row is None else row.to("meta") for row in search._grammar._forbidden]
    with torch.inference_mode(), as_on_a_gpu(), Uploads() as uploads:
        plan = search._plan(*inputs, static=True)
    assert plan.tokens.is_meta
    assert uploads.found == []


def test_what_is_sent_to_a_gpu_is_found_out() -> None:
    numbers = torch.arange(3, device="meta")
    with Uploads() as uploads:
        torch.arange(3).to("meta")
        numbers[torch.tensor([0, 1])]
        numbers + 1
    assert len(uploads.found) == 2


def check_recorded(search: BeamSearch, past: int) -> None:
    def static(*inputs: Tensor | None) -> Plan:
        return search._plan(*inputs, static=True)  # type: ignore[arg-type]  # tensors all

    with as_on_a_gpu():
        replay = traced(static, given(search, past, 2, seed=1))
    inputs = given(search, past, 2, seed=2)
    plan, replayed = search.plan(inputs[0], inputs[2], inputs[1]), replay(*inputs)
    assert replayed.tokens.equal(plan.tokens)
    torch.testing.assert_close(replayed.score, plan.score)


class Doubling:
    """A search that counts how often it is asked, and is recorded as one that says that it was."""

    def __init__(self) -> None:
        self.asked = self.recorded = 0

    def __call__(self, *inputs: Tensor | None) -> Plan:
        self.asked += 1
        (numbers,) = inputs
        assert numbers is not None
        return Plan(2 * numbers, numbers)

    def static(self, *inputs: Tensor | None) -> Plan:
        message = "it is for recording"
        raise AssertionError(message)

    def record(self, search: Callable[..., Plan], inputs: Sequence[Tensor | None]) -> Callable[..., Plan]:
        assert search == self.static
        self.recorded += 1
        return lambda numbers: Plan(2 * numbers, numbers)


def test_a_shape_is_recorded_once_it_has_come_often_enough() -> None:
    search = Doubling()
    captured = Captured(search, search.static, search.record)
    for value in range(COMES + 5):
        assert captured(torch.full((2,), value)).tokens.tolist() == [2 * value] * 2
        assert captured(torch.full((3,), value)).tokens.tolist() == [2 * value] * 3
    assert (search.asked, search.recorded) == (2 * COMES, 2)


def test_the_recording_used_longest_ago_goes() -> None:
    search = Doubling()
    captured = Captured(search, search.static, search.record)
    for size in range(1, KEPT + 2):
        for _ in range(COMES + 1):
            captured(torch.zeros(size))
        captured(torch.zeros(1))
    assert search.recorded == KEPT + 1
    captured(torch.zeros(1))
    assert search.recorded == KEPT + 1
    captured(torch.zeros(2))  # it had to go
    assert search.recorded == KEPT + 2


def test_what_cannot_be_recorded_is_searched_as_it_is_and_a_warning_says_why() -> None:
    def refuse(*_: object) -> Callable[..., Plan]:
        message = "operation not permitted when stream is capturing\nand advice"
        raise RuntimeError(message)

    search = Doubling()
    captured = Captured(search, search.static, refuse)
    for _ in range(COMES):
        captured(torch.zeros(2))
    with pytest.warns(RuntimeWarning, match="cannot be recorded: operation not permitted when stream is capturing$"):
        captured(torch.zeros(2))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert captured(torch.ones(2)).tokens.tolist() == [2, 2]
    assert search.asked == COMES + 2


def test_a_search_that_waits_for_a_value_is_found_out() -> None:
    def waiting(numbers: Tensor) -> Plan:
        return Plan(numbers[: int(numbers.sum())], numbers)

    with pytest.raises(RuntimeError):
        traced(waiting, [torch.ones(2)])
