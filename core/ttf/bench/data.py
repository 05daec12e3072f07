"""How long it takes to tokenise a data set and to fetch training windows from it."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from ttf.bench.measure import Measurement, cpu_seconds
from ttf.bench.parts import random_rows
from ttf.episodes import Windows, tokenise
from ttf.errors import TtfError
from ttf.layout import Layout

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy as np
    from numpy.typing import NDArray

    from ttf.bench.parts import Parts
    from ttf.episodes import Rows

LAYOUT = Layout(observation=17, action=6)  # HalfCheetah and Walker2d: 25 columns
ROWS, EPISODES, BATCH, CONTEXT, BATCHES = 1_000_000, 1000, 256, 10, 200


def measure(parts: Parts) -> Iterator[Measurement]:
    """Time both discretizers, and windows of their tokens.

    Raises:
        TtfError: fetched windows are not the tokens that were written.
    """
    rows = random_rows(LAYOUT, ROWS, EPISODES)
    values = torch.from_numpy(rows.values)
    for kind in ("quantile", "uniform"):
        discretizer = parts.discretizer(kind).build(LAYOUT)
        fitting = cpu_seconds(lambda: discretizer.fit(values), runs=1)  # noqa: B023
        encoding = cpu_seconds(lambda: discretizer.encode(values))  # noqa: B023
        yield Measurement(f"encode/{kind}", encoding, "s", "lower", {"rows": ROWS, "fit_seconds": fitting})
    with tempfile.TemporaryDirectory() as folder:
        tokens = tokenise(rows, discretizer, Path(folder) / "tokens.npy")
        windows = Windows(tokens, rows, stop=discretizer.stop, context=CONTEXT, stride=1)
        _check_fetched(windows, tokens, rows)
        generator = torch.Generator().manual_seed(0)
        drawn = [torch.randint(len(windows), (BATCH,), generator=generator).numpy() for _ in range(BATCHES)]
        times = sorted(cpu_seconds(lambda: windows.batch(indices), runs=1) for indices in drawn)  # noqa: B023
    details = {"windows": BATCH, "tokens": BATCH * LAYOUT.block(CONTEXT)}
    yield Measurement("windows/fetch", 1000 * times[BATCHES // 2], "ms", "lower", details)


def _check_fetched(windows: Windows, tokens: NDArray[np.integer], rows: Rows) -> None:
    """Raise a TtfError if windows are not the tokens that stand at their rows."""
    starts = torch.arange(0, int(rows.lengths[0]) - CONTEXT, 7)
    expected = torch.stack([torch.from_numpy(tokens[start : start + CONTEXT].astype("int64")) for start in starts])
    batch = windows.batch(starts.numpy())
    flat = expected.flatten(1)
    if not (batch.inputs.equal(flat[:, :-1]) and batch.targets.equal(flat[:, 1:])):
        message = "windows/fetch: the windows fetched are not the tokens written"
        raise TtfError(message)
