"""ttf bench: how fast this machine plans, trains, reads data and starts, and how fast its GPU plans and trains."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from ttf.errors import ResourceError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from rich.table import Table

    from ttf.bench.measure import Measurement
    from ttf.bench.results import Results

PARTS = ("plan", "train", "data", "start", "gpu")

EPILOG = """\b
Examples:
  ttf bench
  ttf bench plan --all --json before.json
  ttf bench plan --all --against before.json
"""


@click.command(epilog=EPILOG)
@click.argument("parts", nargs=-1, type=click.Choice(PARTS))
@click.option("--all", "everything", is_flag=True, help="Plan at the sizes whose reference takes minutes, too.")
@click.option("--threads", type=click.IntRange(1, 1024), default=1, show_default=True, help="Threads of torch.")
@click.option("--json", "file", type=click.Path(dir_okay=False, path_type=Path), help="Write the results here.")
@click.option(
    "--against", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="Compare with earlier results."
)
def bench(parts: tuple[str, ...], everything: bool, threads: int, file: Path | None, against: Path | None) -> None:
    """Measure PARTS, or all of them: plan, train, data, start, and gpu where there is one.

    Plans are compared with those of a slow, obvious search, and a model's outputs with those of the published one,
    before their times are; the processor's time counts, for a GPU that of the clock, and the fastest of several runs.
    """
    from ttf.bench.results import Results
    from ttf.device import resolve_device

    if file and not file.parent.is_dir():  # before minutes are spent
        message = f"--json {file}: no such folder: {file.parent}"
        raise ResourceError(message)
    earlier = Results.read(against) if against else None
    import torch

    if "gpu" in parts:
        resolve_device("cuda")
    from ttf.bench.measure import gemm_rate
    from ttf.cli.output import make_console

    torch.set_num_threads(threads)
    rate = gemm_rate()
    measurements = []
    for part, measure in _measures(rate, everything=everything).items():
        if parts and part not in parts:
            continue
        for measurement in measure():
            measurements.append(measurement)
            click.echo(f"{measurement.name} ...", err=True)
    results = Results.here(measurements, threads=threads, rate=rate)
    click.echo(results.title())
    if earlier and earlier.title() != results.title():
        click.echo(f"then: {earlier.title()}")
    make_console().print(_table(results, earlier))
    if file:
        results.write(file)


def _measures(rate: float, *, everything: bool) -> Mapping[str, Callable[[], Iterator[Measurement]]]:
    """How each part is measured."""
    import torch

    from ttf.bench import data, gpu, plan, start, train
    from ttf.bench.parts import Parts
    from ttf.registry import load_registry

    made = Parts(load_registry())
    return {
        "plan": lambda: plan.measure(made, plan.CASES if everything else plan.QUICK, rate),
        "train": lambda: train.measure(made, rate),
        "data": lambda: data.measure(made),
        "start": start.measure,
    } | ({"gpu": lambda: gpu.measure(made, plan.CASES, torch.device("cuda"))} if torch.cuda.is_available() else {})


_DETAILS = {
    "times_reference": "{:.1f} times the reference",
    "of_floor": "{:.0%} of the arithmetic's rate",
    "differing": "{:.0f} tokens differ",
    "peak_mb": "peak {:.0f} MB",
    "fit_seconds": "fit {:.2f} s",
}
"""What the table says of a measurement's details."""


def _table(results: Results, earlier: Results | None) -> Table:
    """A row for each measurement; with earlier ones, how many times as fast each is now."""
    from rich import box
    from rich.table import Table

    then = {measurement.name: measurement for measurement in earlier.measurements} if earlier else {}
    table = Table(box=box.SIMPLE_HEAD)
    for heading in ("", "now", *(("then", "times as fast") if earlier else ())):
        table.add_column(heading, justify="right" if heading else "left")
    table.add_column("")
    for measurement in results.measurements:
        cells = [measurement.name, _figure(measurement)]
        if earlier:
            before = then.get(measurement.name)
            cells += [_figure(before), f"{_speedup(measurement, before):.2f}"] if before else ["", ""]
        table.add_row(*cells, _said(measurement.details))
    return table


def _figure(measurement: Measurement) -> str:
    digits = ",.0f" if measurement.value >= 1000 else ".3g"
    return f"{measurement.value:{digits}} {measurement.unit}"


def _said(details: Mapping[str, float]) -> str:
    return ", ".join(text.format(details[name]) for name, text in _DETAILS.items() if name in details)


def _speedup(measurement: Measurement, before: Measurement) -> float:
    quotient = before.value / measurement.value
    return quotient if measurement.better == "lower" else 1 / quotient
