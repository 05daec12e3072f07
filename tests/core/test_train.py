"""Training is a function of recipe and seed, wherever it is interrupted; what diverges is never saved."""

from __future__ import annotations

import random
import signal
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, TypeVar

import numpy as np
import pytest
import torch
from tests.core.toys import Quiet, Ticks, corridor_rows, fitted, windows
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812  (the field's name for it)

from ttf import checkpoint
from ttf.errors import CheckpointError, DivergedError, Interrupted
from ttf.interfaces.model import SequenceModel, State
from ttf.interrupts import Interrupts
from ttf.loss import TokenLoss
from ttf.schedule import make_schedule
from ttf.sections import TrainingConfig
from ttf.train import Trainer
from ttf_plugins.gpt import GPTConfig

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from pathlib import Path

    from ttf.checkpoint import Checkpoint
    from ttf.interfaces.progress import Task
    from ttf.layout import Layout

T = TypeVar("T")
BINS, CONTEXT, STEPS = 12, 3, 40
ROWS, HELD_OUT = corridor_rows(), corridor_rows(first=500, count=6)
DISCRETIZER = fitted(ROWS, BINS)
WINDOWS = windows(ROWS, DISCRETIZER, CONTEXT)
BATCH = 8
EPOCH = len(WINDOWS) // BATCH  # updates


def config(**changes: Any) -> TrainingConfig:  # noqa: ANN401
    fields: dict[str, Any] = {
        "steps": STEPS,
        "batch_size": BATCH,
        "learning_rate": 0.01,
        "log_every": 5,
        "validate_every": 7,
        "checkpoint_every": 1000,
    }
    return TrainingConfig(**(fields | changes))


def gpt(seed: int = 0) -> SequenceModel:
    torch.manual_seed(seed)
    return GPTConfig(layers=1, heads=2, width=8, context=CONTEXT, dropout=0.2, attention_dropout=0.2).build(
        ROWS.layout, BINS
    )


def trainer(
    folder: Path, records: list[Mapping[str, Any]], training: TrainingConfig, model: SequenceModel | None = None
) -> Trainer:
    return Trainer(
        model or gpt(),
        DISCRETIZER,
        WINDOWS,
        windows(HELD_OUT, DISCRETIZER, CONTEXT),
        training,
        seed=3,
        folder=folder,
        recipe_hash="abc",
        report=records.append,
    )


def untimed(records: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    clocks = ("tokens_per_second", "seconds")
    return [{key: value for key, value in record.items() if key not in clocks} for record in records]


def newest(folder: Path) -> Checkpoint:
    saved, problems = checkpoint.load_newest(folder)
    assert saved is not None
    assert problems == []
    return saved


def digests(folder: Path, step: int) -> dict[str, str]:
    """The hashes of a checkpoint's tensors: weights, optimizer, random states, bins."""
    from ttf.manifest import read_manifest

    files = read_manifest(folder / f"ckpt-{step:06d}").files
    return {name: entry["sha256"] for name, entry in files.items() if name.endswith(".safetensors")}


@dataclass
class Signals(Ticks):
    """Sends a signal whenever a step is reached."""

    interrupts: Interrupts | None = None
    steps: tuple[int, ...] = ()
    step: int = 0

    def advance(self, amount: int = 1, **figures: float) -> None:
        super().advance(amount, **figures)
        self.step += amount
        if self.interrupts is not None and self.step in self.steps:
            self.interrupts.handle(signal.SIGTERM, None)


@dataclass
class Signalling(Quiet):
    signals: Signals | None = None

    @contextmanager
    def task(self, name: str, total: int, *, done: int = 0, unit: str = "") -> Iterator[Task]:
        assert (name, unit) == ("training", "steps")
        assert done <= total
        assert self.signals is not None
        yield self.signals


def train_until(step: int, one: Trainer) -> None:
    """Train, and send SIGTERM during the update after which ``step`` are done."""
    interrupts = Interrupts()
    with pytest.raises(Interrupted) as error:
        one.run(Signalling(signals=Signals(interrupts=interrupts, steps=(step,), step=one.step)), interrupts)
    assert error.value.exit_code == 143
    assert one.step == step


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> tuple[list[dict[str, Any]], dict[str, str]]:
    """Records and hashes of a training without interruption."""
    folder = tmp_path_factory.mktemp("whole")
    records: list[Mapping[str, Any]] = []
    trainer(folder, records, config()).run(Quiet(), Interrupts())
    return untimed(records), digests(folder, STEPS)


def test_the_splits_below_are_within_across_and_between_epochs_and_records() -> None:
    assert 5 < EPOCH < STEPS - 10
    assert len(WINDOWS) % BATCH


@pytest.mark.parametrize("split", [1, 4, 5, 7, EPOCH - 1, EPOCH, EPOCH + 1, 35, STEPS - 1, STEPS])
def test_stopping_and_going_on_equals_going_on(
    split: int, tmp_path: Path, whole: tuple[list[dict[str, Any]], dict[str, str]]
) -> None:
    records: list[Mapping[str, Any]] = []
    train_until(split, trainer(tmp_path, records, config()))
    torch.manual_seed(99)
    np.random.seed(99)
    random.seed(99)
    again = trainer(tmp_path, records, config(), gpt(seed=1))
    again.restore(newest(tmp_path))
    assert again.step == split
    again.run(Quiet(), Interrupts())
    assert (untimed(records), digests(tmp_path, STEPS)) == whole


def test_a_training_can_be_interrupted_again_and_again(
    tmp_path: Path, whole: tuple[list[dict[str, Any]], dict[str, str]]
) -> None:
    records: list[Mapping[str, Any]] = []
    train_until(3, trainer(tmp_path, records, config()))
    for step in (4, 17, 18, 33):
        again = trainer(tmp_path, records, config(), gpt(seed=step))
        again.restore(newest(tmp_path))
        train_until(step, again)
    last = trainer(tmp_path, records, config())
    last.restore(newest(tmp_path))
    last.run(Quiet(), Interrupts())
    assert (untimed(records), digests(tmp_path, STEPS)) == whole


def test_the_running_mean_of_the_weights_is_what_is_validated_saved_and_planned_with(tmp_path: Path) -> None:
    records: list[Mapping[str, Any]] = []
    one = trainer(tmp_path, records, config(ema_decay=0.8))
    mean, update = {name: weights.detach().clone() for name, weights in one.model.named_parameters()}, one.update

    def averaged() -> None:
        update()
        decay = min(0.8, (1 + one.step) / (10 + one.step))
        for name, weights in one.model.named_parameters():
            mean[name] = decay * mean[name] + (1 - decay) * weights.detach()

    one.update = averaged  # type: ignore[method-assign]
    one.run(Quiet(), Interrupts())
    saved = newest(tmp_path)
    for name, weights in one.learned.named_parameters():
        torch.testing.assert_close(weights, mean[name])
        assert torch.equal(saved.tensors["model"][name], weights)
        assert torch.equal(saved.tensors["trained"][name], one.model.get_parameter(name))
    assert not any(torch.equal(mean[name], weights) for name, weights in one.model.named_parameters())
    assert not one.learned.training
    held_out = windows(HELD_OUT, DISCRETIZER, CONTEXT)
    chosen = held_out.batch(np.arange(len(held_out)))
    with torch.no_grad():
        expected = TokenLoss(DISCRETIZER, config(), one.model.block)(one.learned(chosen.inputs), chosen)
    assert records[-1]["loss"] == pytest.approx(float(expected), rel=1e-5)


def test_the_running_mean_does_not_change_what_is_trained(tmp_path: Path) -> None:
    ends = [trainer(tmp_path / str(decay), [], config(ema_decay=decay)) for decay in (0.0, 0.9)]
    for one in ends:
        one.run(Quiet(), Interrupts())
    for without, with_mean in zip(*(one.model.parameters() for one in ends), strict=True):
        assert torch.equal(without, with_mean)


@pytest.mark.parametrize("split", [1, 7, EPOCH, STEPS])
def test_stopping_and_going_on_equals_going_on_with_a_running_mean(split: int, tmp_path: Path) -> None:
    whole: list[Mapping[str, Any]] = []
    trainer(tmp_path / "whole", whole, config(ema_decay=0.9)).run(Quiet(), Interrupts())
    records: list[Mapping[str, Any]] = []
    train_until(split, trainer(tmp_path / "parts", records, config(ema_decay=0.9)))
    again = trainer(tmp_path / "parts", records, config(ema_decay=0.9), gpt(seed=1))
    again.restore(newest(tmp_path / "parts"))
    again.run(Quiet(), Interrupts())
    assert untimed(records) == untimed(whole)
    assert digests(tmp_path / "parts", STEPS) == digests(tmp_path / "whole", STEPS)
    finished = trainer(tmp_path / "parts", [], config(ema_decay=0.9), gpt(seed=2))
    finished.restore(newest(tmp_path / "parts"))
    finished.run(Quiet(), Interrupts())
    assert torch.equal(finished.learned.get_parameter("pos_emb"), again.learned.get_parameter("pos_emb"))


def test_another_seed_gives_other_weights(tmp_path: Path, whole: tuple[list[dict[str, Any]], dict[str, str]]) -> None:
    one = trainer(tmp_path, [], config(), gpt())
    one._seed = 4
    one.run(Quiet(), Interrupts())
    assert digests(tmp_path, STEPS)["model.safetensors"] != whole[1]["model.safetensors"]


def test_training_leaves_the_global_generators_alone_and_does_not_depend_on_them(
    tmp_path: Path, whole: tuple[list[dict[str, Any]], dict[str, str]]
) -> None:
    model = gpt()
    torch.manual_seed(123)
    np.random.seed(123)
    random.seed(123)
    before = torch.get_rng_state(), random.getstate(), np.random.get_state(legacy=False)
    trainer(tmp_path, [], config(), model).run(Quiet(), Interrupts())
    after = torch.get_rng_state(), random.getstate(), np.random.get_state(legacy=False)
    assert torch.equal(before[0], after[0])
    assert before[1] == after[1]
    assert str(before[2]) == str(after[2])
    assert digests(tmp_path, STEPS) == whole[1]


def test_the_loss_of_something_learnable_falls(tmp_path: Path) -> None:
    records: list[Mapping[str, Any]] = []
    trainer(tmp_path, records, config(steps=120, log_every=20, validate_every=40)).run(Quiet(), Interrupts())
    training = [record["loss"] for record in records if record["kind"] == "train"]
    validation = [record["loss"] for record in records if record["kind"] == "validation"]
    assert training[-1] < 0.7 * training[0]
    assert validation == sorted(validation, reverse=True)
    assert len(validation) == 3


def test_the_recorded_loss_is_the_mean_over_the_updates_since_the_last_record(tmp_path: Path) -> None:
    often: list[Mapping[str, Any]] = []
    seldom: list[Mapping[str, Any]] = []
    trainer(tmp_path / "a", often, config(steps=10, log_every=1, validate_every=99)).run(Quiet(), Interrupts())
    trainer(tmp_path / "b", seldom, config(steps=10, log_every=6, validate_every=99)).run(Quiet(), Interrupts())
    assert [record["step"] for record in seldom if record["kind"] == "train"] == [6, 10]
    for record, pieces in zip((r for r in seldom if r["kind"] == "train"), (often[:6], often[6:10]), strict=True):
        for figure in ("loss", "gradient_norm"):
            assert record[figure] == pytest.approx(np.mean([piece[figure] for piece in pieces]))


def test_seconds_are_those_of_updates_not_of_validations_and_checkpoints(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = Clock()
    monkeypatch.setattr("ttf.meter.time", clock)
    records: list[Mapping[str, Any]] = []
    one = trainer(tmp_path, records, config(steps=12, log_every=4, validate_every=3, checkpoint_every=3))
    for name, seconds in (("update", 1.0), ("validate", 100.0), ("save", 1000.0)):
        monkeypatch.setattr(one, name, clock.slowed(getattr(one, name), seconds))
    one.run(Quiet(), Interrupts())
    train = [record for record in records if record["kind"] == "train"]
    assert [record["seconds"] for record in train] == [4.0, 8.0, 12.0]
    assert len({record["tokens_per_second"] for record in train}) == 1
    assert checkpoint.load(tmp_path / "ckpt-000009").state["meter"][-1] == 1.0


@dataclass
class Clock:
    """Stands in for the module time; it moves only when something slowed is called."""

    now: float = 0.0

    def perf_counter(self) -> float:
        return self.now

    def slowed(self, function: Callable[[], T], seconds: float) -> Callable[[], T]:
        def call() -> T:
            self.now += seconds
            return function()

        return call


def test_the_learning_rate_is_the_schedules_at_the_tokens_seen(tmp_path: Path) -> None:
    training = config(steps=10, log_every=1, validate_every=99)
    records: list[Mapping[str, Any]] = []
    one = trainer(tmp_path, records, training)
    one.run(Quiet(), Interrupts())
    schedule, seen, expected = make_schedule(training, len(WINDOWS), one.model.block), 0, []
    for epoch in range(2):
        order = np.random.default_rng([3, epoch]).permutation(len(WINDOWS))
        for first in range(0, EPOCH * BATCH, BATCH):
            seen += int((WINDOWS.batch(order[first : first + BATCH]).targets != DISCRETIZER.stop).sum())
            expected.append(schedule.rate(seen))
    rates = [record["learning_rate"] for record in records if record["kind"] == "train"]
    assert rates == expected[:10]
    assert rates[0] < rates[1] == max(rates)
    assert rates[-1] == 0.1 * training.learning_rate


def test_the_validation_loss_is_that_of_all_held_out_windows_and_of_each_part(tmp_path: Path) -> None:
    records: list[Mapping[str, Any]] = []
    one = trainer(tmp_path, records, config(steps=1, action_weight=3.0, value_weight=0.5))
    one.run(Quiet(), Interrupts())
    held_out = windows(HELD_OUT, DISCRETIZER, CONTEXT)
    total, sums, counts = 0.0, dict.fromkeys("oarv", 0.0), dict.fromkeys("oarv", 0)
    weights = {"o": 1.0, "a": 3.0, "r": 1.0, "v": 0.5}
    for index in range(len(held_out)):
        batch = held_out.batch(np.array([index]))
        with torch.no_grad():
            logits = one.model(batch.inputs)[0]
        for position in range(one.model.block):
            part = "ooarv"[(position + 1) % 5]
            dead = (~DISCRETIZER.live[(position + 1) % 5]).nonzero()[:, 0]
            row = logits[position].index_fill(0, dead, -torch.inf)
            loss = float(F.cross_entropy(row, batch.targets[0, position])) * bool(batch.mask[0, position])
            total += weights[part] * loss
            sums[part] += loss
            counts[part] += bool(batch.mask[0, position])
    record = records[-1]
    assert record["kind"] == "validation"
    assert record["loss"] == pytest.approx(total / len(held_out) / one.model.block, rel=1e-5)
    for part, name in zip("oarv", ("observation", "action", "reward", "value"), strict=True):
        assert record[f"loss_{name}"] == pytest.approx(sums[part] / counts[part], rel=1e-5)


def test_many_held_out_windows_are_sampled_evenly_and_the_same_every_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ttf.train.VALIDATION_WINDOWS", 5)
    one = trainer(tmp_path, [], config())
    held_out = windows(HELD_OUT, DISCRETIZER, CONTEXT)
    chosen = held_out.batch(np.linspace(0, len(held_out) - 1, 5).astype(np.int64))
    one.model.eval()
    with torch.no_grad():
        expected = TokenLoss(DISCRETIZER, config(), one.model.block)(one.model(chosen.inputs), chosen)
    assert one.validate()["loss"] == pytest.approx(float(expected))
    assert one.validate() == one.validate()


def test_weight_decay_shrinks_the_models_decayed_parameters_and_no_others(tmp_path: Path) -> None:
    changes: dict[str, Any] = {"steps": 1, "warmup_steps": 0, "decay_steps": 10**6}
    start = {name: parameter.detach().clone() for name, parameter in gpt().named_parameters()}
    ends = []
    for decay in (0.0, 1.0):
        one = trainer(tmp_path / str(decay), [], config(weight_decay=decay, **changes))
        one.run(Quiet(), Interrupts())
        ends.append(one)
    decayed = {id(parameter) for parameter in ends[1].model.decayed_parameters()}
    for (name, free), shrunk in zip(ends[0].model.named_parameters(), ends[1].model.parameters(), strict=True):
        expected = free - 0.01 * start[name] if id(shrunk) in decayed else free
        torch.testing.assert_close(shrunk, expected, rtol=1e-5, atol=1e-7)
    assert 0 < len(decayed) < len(start)


class Table(SequenceModel):
    """Logits by slot and token, and a fault in one forward pass of the training."""

    def __init__(self, layout: Layout, fault: Literal["none", "loss", "gradient", "weight"], at: int) -> None:
        super().__init__(layout, BINS, CONTEXT)
        self.table = nn.Parameter(torch.zeros(layout.width, BINS + 1, BINS + 1))
        self.unused = nn.Parameter(torch.zeros(1))
        self.fault, self.at, self.calls = fault, at, 0

    def forward(self, tokens: Tensor, goal: Tensor | None = None) -> Tensor:
        logits = self.table[torch.tensor(self.layout.slots(tokens.shape[1])), tokens]
        self.calls += self.training
        if self.training and self.calls == self.at:
            logits = self._spoiled(logits)
        return logits

    def _spoiled(self, logits: Tensor) -> Tensor:
        if self.fault == "loss":
            return logits * torch.nan
        if self.fault == "gradient":
            logits.register_hook(lambda gradient: gradient * torch.nan)  # type: ignore[no-untyped-call]  # torch's
        if self.fault == "weight":
            logits.register_hook(self._break_weight)  # type: ignore[no-untyped-call]  # torch's
        return logits

    def _break_weight(self, _: Tensor) -> None:
        self.unused.data.fill_(torch.nan)

    def start(self, batch: int, capacity: int, goal: Tensor | None = None) -> State:
        raise NotImplementedError

    def step(self, tokens: Tensor, state: State) -> tuple[Tensor, State]:
        raise NotImplementedError

    def decayed_parameters(self) -> Iterable[nn.Parameter]:
        return [self.table]


class Fault(NamedTuple):
    """What breaks in update 8, and where it must be noticed."""

    kind: Literal["loss", "gradient", "weight"]
    log: int
    validate: int
    save: int
    found: str
    saved: int


FAULTS = [
    Fault("loss", 10, 1000, 3, "the loss is nan within the last 9 updates before step 9", saved=6),
    Fault("loss", 5, 9, 7, "the loss is nan within the last 4 updates before step 9", saved=7),
    Fault("loss", 4, 1000, 2, "the loss is nan within the last 4 updates before step 8", saved=6),
    Fault("gradient", 10, 1000, 4, "the gradient norm is nan within the last 8 updates before step 8", saved=4),
    Fault("gradient", 7, 8, 7, "the gradient norm is nan within the last 1 updates before step 8", saved=7),
    Fault("weight", 5, 1000, 3, "a weight is not finite after step 9", saved=6),
]


def fault_trainer(folder: Path, records: list[Mapping[str, Any]], fault: Fault) -> Trainer:
    training = config(log_every=fault.log, validate_every=fault.validate, checkpoint_every=fault.save)
    return trainer(folder, records, training, Table(ROWS.layout, fault.kind, at=8))


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: f"{fault.kind}-{fault.log}-{fault.validate}-{fault.save}")
def test_what_diverges_is_reported_and_the_checkpoint_before_it_is_what_is_loaded(fault: Fault, tmp_path: Path) -> None:
    records: list[Mapping[str, Any]] = []
    with pytest.raises(DivergedError) as error:
        fault_trainer(tmp_path, records, fault).run(Quiet(), Interrupts())
    assert str(error.value) == f"training diverged: {fault.found}; try a smaller training.learning_rate"
    saved = newest(tmp_path)
    assert saved.step == fault.saved
    assert all(tensor.isfinite().all() for group in saved.tensors.values() for tensor in group.values())
    assert all(np.isfinite(value) for record in records for value in record.values() if isinstance(value, float))
    healthy = trainer(tmp_path, records, config(), Table(ROWS.layout, "none", at=0))
    healthy.restore(saved)
    healthy.run(Quiet(), Interrupts())
    assert newest(tmp_path).step == STEPS


def test_an_interruption_does_not_save_what_has_diverged(tmp_path: Path) -> None:
    one = fault_trainer(tmp_path, [], Fault("loss", 100, 100, 5, "", 5))
    interrupts = Interrupts()
    with pytest.raises(DivergedError, match="the loss is nan"):
        one.run(Signalling(signals=Signals(interrupts=interrupts, steps=(8,))), interrupts)
    assert newest(tmp_path).step == 5


def test_a_validation_loss_that_is_not_finite_is_reported(tmp_path: Path) -> None:
    one = trainer(tmp_path, [], config(), Table(ROWS.layout, "none", at=0))
    with torch.no_grad():
        one.model.get_parameter("table").fill_(torch.nan)
    with pytest.raises(DivergedError) as error:
        one.validate()
    assert str(error.value) == (
        "training diverged: the validation loss is nan at step 0; try a smaller training.learning_rate"
    )


def test_a_second_signal_leaves_at_once_without_saving(tmp_path: Path) -> None:
    one, interrupts = trainer(tmp_path, [], config()), Interrupts()
    signals = Signals(interrupts=interrupts, steps=(3, 3))

    def twice(amount: int = 1, **figures: float) -> None:
        Signals.advance(signals, amount, **figures)
        if signals.step == 3:
            interrupts.handle(signal.SIGINT, None)

    signals.advance = twice  # type: ignore[method-assign]  # two signals within one update
    with pytest.raises(Interrupted) as error:
        one.run(Signalling(signals=signals), interrupts)
    assert error.value.exit_code == 130
    assert checkpoint.load_newest(tmp_path) == (None, [])


def test_a_signal_with_nothing_new_to_save_writes_no_second_checkpoint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    saved: list[int] = []
    write = checkpoint.save

    def counted(folder: Path, one: Checkpoint, **options: Any) -> Path:  # noqa: ANN401
        saved.append(one.step)
        return write(folder, one, **options)

    monkeypatch.setattr(checkpoint, "save", counted)
    train_until(4, trainer(tmp_path, [], config(checkpoint_every=4)))
    assert saved == [4]


def test_bins_of_other_data_are_refused(tmp_path: Path) -> None:
    train_until(2, trainer(tmp_path, [], config()))
    other = fitted(corridor_rows(first=900), BINS)
    options: dict[str, Any] = {"seed": 3, "folder": tmp_path, "recipe_hash": "", "report": print}
    one = Trainer(gpt(), other, WINDOWS, None, config(), **options)
    with pytest.raises(CheckpointError) as error:
        one.restore(newest(tmp_path))
    assert str(error.value) == "the checkpoint of step 2 has other bins: the data or the discretizer has changed"


def test_another_model_is_refused(tmp_path: Path) -> None:
    train_until(2, trainer(tmp_path, [], config()))
    wider = GPTConfig(layers=1, heads=2, width=16, context=CONTEXT).build(ROWS.layout, BINS)
    with pytest.raises(CheckpointError, match="the checkpoint of step 2 does not fit this recipe's model: "):
        trainer(tmp_path, [], config(), wider).restore(newest(tmp_path))


@pytest.mark.parametrize(
    ("part", "value"),
    [("sampler", [1]), ("meter", 3), ("random", {}), ("step", "two"), ("sampler", None)],
)
def test_a_state_that_makes_no_sense_is_refused(part: str, value: object, tmp_path: Path) -> None:
    train_until(2, trainer(tmp_path, [], config()))
    saved = newest(tmp_path)
    saved.state[part] = value
    again = trainer(tmp_path, [], config())
    with pytest.raises(CheckpointError, match="the checkpoint of step 2 does not fit this recipe's model: "):
        again.restore(saved)


def test_without_held_out_windows_there_is_no_validation(tmp_path: Path) -> None:
    records: list[Mapping[str, Any]] = []
    options: dict[str, Any] = {"seed": 3, "folder": tmp_path, "recipe_hash": "", "report": records.append}
    Trainer(gpt(), DISCRETIZER, WINDOWS, None, config(steps=7), **options).run(Quiet(), Interrupts())
    assert [(record["kind"], record["step"]) for record in records] == [("train", 5), ("train", 7)]


def test_the_bar_shows_loss_and_validation_where_they_are_new(tmp_path: Path) -> None:
    progress = Quiet()
    trainer(tmp_path, [], config(steps=7)).run(progress, Interrupts())
    assert [sorted(figures) for figures in progress.tasks["training"].figures] == [
        [], [], [], [], ["loss"], [], ["loss", "validation"]
    ]  # fmt: skip


@pytest.mark.parametrize("context", [2, 200])
def test_a_window_costs_its_place_however_long_it_is(context: int) -> None:
    arrays = vars(windows(ROWS, DISCRETIZER, context)).items()
    held = sum(array.nbytes for name, array in arrays if isinstance(array, np.ndarray) and name != "_tokens")
    assert held <= 17 * len(WINDOWS) + 8 * context
