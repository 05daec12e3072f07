"""What ttf bench measures is right before it is fast, and its results can be kept and compared."""

from __future__ import annotations

import warnings
from dataclasses import replace
from functools import partial
from pathlib import Path
from time import perf_counter, process_time
from typing import TYPE_CHECKING, Literal

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from ttf import interop
from ttf.bench import data, gpu, plan, start, train
from ttf.bench.measure import clock, gemm_rate, in_turns, times_as_long
from ttf.bench.parts import Parts, random_rows
from ttf.bench.published import PublishedModel, published_update
from ttf.cli.edge import run_cli
from ttf.episodes import Windows
from ttf.errors import PluginError, TtfError
from ttf.layout import Layout
from ttf.loss import TokenLoss
from ttf.schedule import make_schedule
from ttf.testing.search import compare_searches

if TYPE_CHECKING:
    from collections.abc import Callable

    from ttf.registry import Registry
    from ttf.search import BeamSearch
    from ttf.testing.search import Comparison

TINY = plan.Case("tiny", observation=2, action=1, horizon=3, beam_width=4)
SMALL = train.Case(
    "small", Layout(3, 1), context=3, batch=8, layers=2, heads=2, width=16, dropout=0.0, attention_dropout=0.0
)


@pytest.fixture
def parts(builtin_registry: Registry) -> Parts:
    return Parts(builtin_registry)


@pytest.mark.parametrize(
    ("name", "seconds"), [("halfcheetah", 0.29), ("halfcheetah growing", 0.13), ("hopper", 2.6), ("walker2d", 5.0)]
)
def test_the_arithmetic_of_a_plan_is_what_was_worked_out_before(name: str, seconds: float, parts: Parts) -> None:
    case = next(case for case in plan.CASES if case.name == name)
    model = plan.Problem.of(case, parts, 1).search.model
    assert plan.floor(case, model) / 70e9 == pytest.approx(seconds, rel=0.1)


def test_a_gpu_is_timed_in_every_mode_and_makes_the_same_plans(parts: Parts) -> None:
    *plans, training = gpu.measure(parts, (TINY,), torch.device("cpu"), replace(SMALL, precision="bfloat16"))
    exact, rough = plans[:3], plans[3:]
    assert [one.name for one in exact] == [f"gpu/plan tiny, {mode}" for mode in gpu.MODES]
    assert [one.name for one in rough] == [f"gpu/plan tiny, {mode}, bfloat16" for mode in gpu.MODES]
    assert all(one.details["tokens"] == 3 * 5 and one.details["differing"] == 0 for one in exact)
    for one in exact:
        assert one.details["times_reference"] == one.details["reference_seconds"] / one.value
    assert all(one.value > 0 for one in [*plans, training])
    assert training.details["of_products"] > 0


def test_a_plan_that_cannot_be_recorded_is_not_timed_as_one_that_is(
    parts: Parts, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = plan.Problem.plan

    def refusing(problem: plan.Problem) -> torch.Tensor:
        if problem.search.settings.cuda_graph and problem.search.settings.speculate == "off":
            warnings.warn("no recording", RuntimeWarning, stacklevel=2)
        return made(problem)

    monkeypatch.setattr(plan.Problem, "plan", refusing)
    with pytest.warns(RuntimeWarning, match="gpu/plan tiny, recorded(, bfloat16)? is not timed: no recording"):
        names = [one.name for one in gpu.measure(parts, (TINY,), torch.device("cpu"), SMALL)]
    assert len(names) == 5
    assert not any("recorded" in name for name in names)


def test_a_gpu_that_is_not_there_is_not_timed(capsys: pytest.CaptureFixture[str]) -> None:
    if torch.cuda.is_available():
        pytest.skip("there is one")
    assert run_cli(["bench", "gpu"]) != 0
    assert capsys.readouterr().err.startswith("Error: device 'cuda' is not available; this machine has: cpu")


@pytest.mark.parametrize("window", ["sliding", "growing"])
def test_plans_are_timed_once_they_are_those_of_the_reference(
    window: Literal["sliding", "growing"], parts: Parts, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(plan, "CASES", (case := replace(TINY, window=window),))
    monkeypatch.setattr(plan, "peak_memory", lambda _: {"peak_mb": 1.0})
    alone, together = plan.measure(parts, (case,), rate=1e9)
    assert alone.details["tokens"] == 3 * 5
    assert alone.details["differing"] == 0
    assert alone.details["times_reference"] == pytest.approx(alone.details["reference_seconds"] / alone.value)
    assert together.value > 0


def test_a_search_that_plans_otherwise_than_the_reference_is_not_timed(
    parts: Parts, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ttf.search.best_rows", lambda scores, count: scores.topk(count, largest=False).indices)
    with pytest.raises(TtfError, match=r"tiny: \d+ of 15 tokens are not those of the reference"):
        next(plan.measure(parts, (TINY,), rate=1e9))


def test_plans_that_differ_by_rounding_alone_are_timed_and_counted(
    parts: Parts, monkeypatch: pytest.MonkeyPatch
) -> None:
    def rounded(
        search: BeamSearch, context: torch.Tensor, uniforms: torch.Tensor, clock: Callable[[], float] = process_time
    ) -> Comparison:
        compared = compare_searches(search, context, uniforms, clock=clock)
        if uniforms.dtype == torch.float64:
            assert {weights.dtype for weights in search.model.parameters()} == {torch.float64}
            return compared
        return compared._replace(plan=replace(compared.plan, tokens=compared.plan.tokens + 1))

    monkeypatch.setattr(plan, "compare_searches", rounded)
    monkeypatch.setattr(plan, "peak_memory", lambda _: {})
    measured = next(plan.measure(parts, (TINY,), rate=1e9))
    assert measured.details["differing"] == measured.details["tokens"]


def test_the_memory_of_a_plan_is_measured_in_a_process_of_its_own() -> None:
    if not Path("/proc/self/status").exists():
        pytest.skip("only Linux tells")
    assert 1 < plan.peak_memory(plan.CASES[0])["peak_mb"] < 92  # half of what the cached fork needs


def test_where_the_system_does_not_tell_the_memory_is_left_out(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(plan, "_PEAK", tmp_path)  # a folder cannot be written to
    assert plan._peak(TINY, threads=1) is None


def test_plans_made_together_are_those_made_alone_or_rounding_has_decided(
    parts: Parts, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(plan, "ROUNDS", 1)
    alone, wrong = plan.Problem.plan_alone, torch.float32
    monkeypatch.setattr(
        plan.Problem, "plan_alone", lambda self: alone(self) + (self.uniforms.dtype == wrong), raising=True
    )
    measured = plan.together(TINY, parts)
    assert measured.details["differing"] == measured.details["tokens"] == plan.TOGETHER * 3 * 5
    wrong = torch.float64
    monkeypatch.setattr(plan.Problem, "plan_alone", lambda self: alone(self) + 1)
    with pytest.raises(TtfError, match="tiny: 120 tokens of plans made together are not those of plans made alone"):
        plan.together(TINY, parts)


def test_several_threads_are_timed_by_the_clock() -> None:
    threads = torch.get_num_threads()
    try:
        torch.set_num_threads(1)
        assert clock() is process_time
        torch.set_num_threads(2)
        assert clock() is perf_counter
    finally:
        torch.set_num_threads(threads)


def test_actions_take_turns_and_the_median_of_the_rounds_counts() -> None:
    taken: list[str] = []
    times = in_turns({name: partial(taken.append, name) for name in "ab"}, rounds=3)
    assert "".join(taken) == "aabb" * 3
    assert [len(times[name]) for name in "ab"] == [3, 3]
    assert times_as_long([2.0, 9.0, 3.0], [1.0, 1.0, 1.0]) == 3.0


def test_the_published_update_and_ours_make_the_same_weights(parts: Parts, tmp_path: Path) -> None:
    torch.manual_seed(0)
    discretizer, windows = train.make_data(SMALL, parts, tmp_path)
    trainer = train.make_trainer(SMALL, parts, discretizer, windows, tmp_path)
    without_warmup = trainer.config.model_copy(update={"warmup_steps": 0})
    trainer._schedule = make_schedule(without_warmup, len(windows), trainer.model.block)
    published = train._published(SMALL)
    interop.load(trainer.model, interop.convert(published.state_dict()))
    batch = windows.batch(trainer._sampler.next())
    loss = TokenLoss(discretizer, trainer.config, trainer.model.block)
    trainer._sampler.seek(0, 0)
    trainer.update()
    rate = trainer._optimizer.param_groups[0]["lr"]
    assert rate > 1e-4
    published_update(published, published.optimizer(rate), batch, loss.weights)
    expected = interop.convert(published.state_dict()).state_dict
    shares = []
    for name, weights in trainer.model.named_parameters():
        assert weights.grad is not None
        counted = weights.grad.abs() > 1e-6  # Adam takes a gradient that is but rounding as seriously as any other
        torch.testing.assert_close(weights.data[counted], expected[name][counted], rtol=1e-4, atol=1e-6)
        shares.append(counted.float().mean())
    assert sum(shares) / len(shares) > 0.5


def test_training_is_timed_once_outputs_are_those_of_the_published_model(
    parts: Parts, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = replace(SMALL, name="other", dropout=0.1)
    monkeypatch.setattr(train, "CASES", (SMALL, other))
    monkeypatch.setattr(train, "ROUNDS", 1)
    measured, second = train.measure(parts, rate=1e9)
    assert measured.details["times_reference"] > 0
    assert measured.details["of_products"] > 0
    assert "times_same_dropout" not in measured.details
    assert second.details["times_same_dropout"] > 0
    monkeypatch.setattr(PublishedModel, "forward", lambda _, tokens: torch.zeros(*tokens.shape, 101))
    with pytest.raises(TtfError, match="train/small: logits differ by"):
        next(train.measure(parts, rate=1e9))


def test_the_products_of_an_update_are_those_of_its_linear_maps(parts: Parts) -> None:
    layers, width, tokens = 3, 64, 20
    model = parts.model(layers=layers, width=width).build(SMALL.layout, 100)
    products = train.Products.of(model, tokens)
    assert products.operations == layers * 3 * 2 * tokens * 12 * width**2
    with FlopCounterMode(display=False) as counted:
        products.multiply()
    assert counted.get_total_flops() == products.operations


def test_data_is_timed_once_windows_are_the_tokens_written(parts: Parts, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(data, "ROWS", 2000)
    monkeypatch.setattr(data, "EPISODES", 20)
    names = [measurement.name for measurement in data.measure(parts)]
    assert names == ["encode/quantile", "encode/uniform", "windows/fetch"]
    batch = Windows.batch
    monkeypatch.setattr(Windows, "batch", lambda self, indices: batch(self, indices + 1))
    with pytest.raises(TtfError, match="the windows fetched are not the tokens written"):
        list(data.measure(parts))


def test_commands_are_timed_as_processes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(start, "COMMANDS", {"help": ("--help",)})
    monkeypatch.setattr(start, "RUNS", 1)
    (measured,) = start.measure()
    assert (measured.name, measured.unit) == ("start/help", "s")
    assert measured.value > 0.01


def test_random_rows_fill_their_episodes() -> None:
    rows = random_rows(Layout(2, 1), 100, 4)
    assert rows.values.shape == (100, 5)
    assert rows.lengths.tolist() == [25] * 4


def test_a_machine_multiplies_matrices_at_some_rate() -> None:
    assert gemm_rate(runs=1) > 1e8


def test_a_missing_plugin_is_named(builtin_registry: Registry) -> None:
    with pytest.raises(PluginError, match=r"ttf bench measures discretizer\.kind gone: no plugin offers it"):
        Parts(builtin_registry).discretizer("gone")


def test_a_command_that_fails_is_not_timed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(start, "COMMANDS", {"gone": ("gone",)})
    with pytest.raises(TtfError, match=r"^ttf gone is not timed: it ended with exit code 2$"):
        next(start.measure())
