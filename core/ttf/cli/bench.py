"""ttf bench: how fast this machine plans, trains, reads data and starts, and how fast its GPU plans and trains."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ttf.errors import ResourceError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

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
    before their times are. The processor's time counts, for a GPU or several threads that of the clock, and the fastest
    of several runs; how many times as fast training is as the published step is the median of updates in turns.
    """
    from ttf.bench.results import Results
    from ttf.device import resolve_device

    if file:
        _check_writable(file)  # before minutes are spent
    earlier = Results.read(against) if against else None
    import torch

    if "gpu" in parts:
        resolve_device("cuda")
    from ttf.bench.measure import gemm_rate

    torch.set_num_threads(threads)
    rate = gemm_rate()
    results = Results.here([], threads=threads, rate=rate)
    try:
        for part, measure in _measures(rate, everything=everything).items():
            if parts and part not in parts:
                continue
            click.echo(f"{part} ...", err=True)
            for measurement in measure():
                results.measurements.append(measurement)
                click.echo(f"  {measurement.name}: {_figure(measurement)}", err=True)
                if file:
                    results.write(file)
    finally:  # what is measured is shown, whatever happens to the rest
        if results.measurements:
            _show(results, earlier, against)


def _check_writable(file: Path) -> None:
    """Raise a ResourceError if results cannot be written there."""
    if not file.parent.is_dir():
        message = f"--json {file}: no such folder: {file.parent}"
        raise ResourceError(message)
    if not os.access(file.parent, os.W_OK):
        message = f"--json {file}: the folder cannot be written to"
        raise ResourceError(message)


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
    "times_reference": "{:.3g} times the reference",
    "times_same_dropout": "{:.2f} times one with that dropout",
    "of_floor": "{:.0%} of the arithmetic's rate",
    "of_products": "{:.0%} of that of its products",
    "differing": "{:.0f} tokens differ",
    "peak_mb": "peak {:.0f} MB",
    "fit_seconds": "fit {:.2f} s",
}
"""What the table says of a measurement's details."""


def _show(results: Results, earlier: Results | None, against: Path | None) -> None:
    """Print the results, with earlier ones of the same names and units if there are any."""
    from ttf.cli.output import fits, make_console

    then = {measurement.name: measurement for measurement in earlier.measurements} if earlier else {}
    pairs = [(measurement, _same(measurement, then.get(measurement.name))) for measurement in results.measurements]
    console = make_console()
    click.echo(results.title())
    if earlier and earlier.title() != results.title():
        click.echo(f"then: {earlier.title()}")
    table = _table(pairs, compared=earlier is not None, details=True)
    if fits(console, table):
        console.print(table)
    else:
        console.print(_table(pairs, compared=earlier is not None, details=False))
        for measurement in results.measurements:
            if said := _said(measurement.details):
                click.echo(f"{measurement.name}: {said}")
    missing = set(then) - {measurement.name for measurement, before in pairs if before}
    if earlier and missing:
        names = ", ".join(name for name in then if name in missing)
        click.echo(f"not compared, as there is nothing like it now: {names}")
    if earlier and len(missing) == len(then):
        click.echo(f"Warning: {against} has none of these measurements", err=True)


def _same(measurement: Measurement, before: Measurement | None) -> Measurement | None:
    """An earlier measurement if it can be compared with one of now."""
    alike = before and (before.unit, before.better) == (measurement.unit, measurement.better)
    return before if alike else None


def _table(pairs: Sequence[tuple[Measurement, Measurement | None]], *, compared: bool, details: bool) -> Table:
    """A row for each measurement; with earlier ones, how many times as fast each is now."""
    from ttf.cli.output import make_table

    table = make_table("", "now", *(("then", "times as fast") if compared else ()), *([""] if details else []))
    table.padding = (0, 2, 0, 0)
    for column in table.columns[1:]:
        column.justify = "right" if column.header else "left"
    for measurement, before in pairs:
        cells = [measurement.name, _figure(measurement)]
        if compared:
            cells += [_figure(before), f"{_speedup(measurement, before):.2f}"] if before else ["", ""]
        table.add_row(*cells, *([_said(measurement.details)] if details else []))
    return table


def _figure(measurement: Measurement) -> str:
    digits = ",.0f" if measurement.value >= 1000 else ".3g"
    return f"{measurement.value:{digits}} {measurement.unit}"


def _said(details: Mapping[str, float]) -> str:
    return ", ".join(text.format(details[name]) for name, text in _DETAILS.items() if name in details)


def _speedup(measurement: Measurement, before: Measurement) -> float:
    quotient = before.value / measurement.value
    return quotient if measurement.better == "lower" else 1 / quotient
