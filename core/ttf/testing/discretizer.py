"""The checker of the discretizer contract."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from ttf.errors import DataError
from ttf.layout import Layout
from ttf.testing.configuration import check_configuration
from ttf.testing.requirement import require
from ttf.testing.untouched import tensors_of, untouched

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from ttf.component import DiscretizerConfig
    from ttf.interfaces.discretizer import Discretizer

_LAYOUT = Layout(observation=3, action=2)  # D = 7


def sample_rows(case: str, bins: int = 100) -> Tensor:
    """Rows (n, 7) float32 of data that discretizers meet.

    Args:
        case: ``continuous``, ``atoms`` (mostly 0), ``few`` (three distinct values), ``constant``, ``tiny`` (fewer
            rows than bins), ``outlier``, ``extreme`` (the largest floats), ``denormal`` or ``adjacent`` (neighbouring
            floats).
        bins: bins of the discretizer, which ``continuous`` and ``adjacent`` are fitted to.
    """
    generator = torch.Generator().manual_seed(0)
    normal = torch.randn(40 * bins, _LAYOUT.width, generator=generator)
    largest = torch.finfo(torch.float32).max
    adjacent = (torch.arange(40 * bins, dtype=torch.int32) % (3 * bins) + 0x3F800000).view(torch.float32)
    return {
        "continuous": normal,
        "atoms": normal.where(normal.abs() > 1.5, torch.tensor(0.0)),
        "few": normal.clamp(-1, 1).round(),
        "constant": torch.full_like(normal, -2.5),
        "tiny": normal[: bins // 2 + 1],
        "outlier": torch.cat([normal, torch.full_like(normal[:1], 1e30)]),
        "extreme": torch.cat([normal, torch.full_like(normal[:1], largest), torch.full_like(normal[:1], -largest)]),
        "denormal": normal * 1e-42,
        "adjacent": adjacent[:, None].expand(-1, _LAYOUT.width),
    }[case]


#: What :func:`sample_rows` offers.
CASES = ("continuous", "atoms", "few", "constant", "tiny", "outlier", "extreme", "denormal", "adjacent")


def check_discretizer(config: DiscretizerConfig, *, cases: Iterable[str] = CASES) -> None:
    """Check everything the contract says of a discretizer, on difficult data.

    Args:
        config: the component.
        cases: which of :func:`sample_rows` to fit; leave out what a published rule is known not to handle.

    Raises:
        AssertionError: the contract is broken; the message says how and on which data.
    """
    check_configuration(config)
    for case in cases:
        rows = sample_rows(case, config.bins)
        discretizer = _fitted(config, rows, case)
        _check_tokens(discretizer, rows, case)
        _check_values(discretizer, rows, case)
        _check_refusals(discretizer, rows, case)


def _fitted(config: DiscretizerConfig, rows: Tensor, case: str) -> Discretizer:
    """A fitted discretizer, equal to another one fitted to the same rows and to one that loaded its buffers."""
    before, fits = rows.clone(), []
    for seed in (1, 2):
        with untouched(f"{case}: build and fit", seed=seed):
            fits.append(config.build(_LAYOUT))
            fits[-1].fit(rows)
    discretizer, again, loaded = *fits, config.build(_LAYOUT)
    loaded.load_state_dict(tensors_of(discretizer))
    with untouched(f"{case}: encode"):
        tokens = discretizer.encode(rows)
    require(tokens.dtype == torch.int64, f"{case}: encode returned {tokens.dtype}; expected int64")
    require(torch.equal(rows, before), f"{case}: fit or encode changed its argument; clone what you modify")
    require(
        torch.equal(tokens, again.encode(rows)),
        f"{case}: two fits on the same rows differ; fit must be deterministic",
    )
    same = torch.equal(tokens, loaded.encode(rows)) and torch.equal(discretizer.decode(tokens), loaded.decode(tokens))
    require(same, f"{case}: load_state_dict on an unfitted one gives other tokens; keep what fit learns in buffers")
    shape = (_LAYOUT.width, config.bins)
    require(
        discretizer.live.dtype == torch.bool and discretizer.live.shape == shape,
        f"{case}: live is {discretizer.live.dtype} {tuple(discretizer.live.shape)}; expected bool {shape}",
    )
    return discretizer


def _check_tokens(discretizer: Discretizer, rows: Tensor, case: str) -> None:
    """Tokens are int64, live, monotone, the same column by column, and come back from their own values."""
    ordered = torch.cat([rows, -3 * rows.clamp(-1e38, 1e38), torch.zeros_like(rows[:1])]).sort(0).values
    tokens = discretizer.encode(ordered)
    require(tokens.shape == ordered.shape, f"{case}: encode returned {tuple(tokens.shape)} for {tuple(ordered.shape)}")
    inside = bool(((tokens >= 0) & (tokens < discretizer.bins)).all())
    require(inside, f"{case}: encode returned tokens outside 0 .. {discretizer.bins - 1}; clamp them")
    columns = torch.arange(_LAYOUT.width)
    require(discretizer.live[columns, tokens].all(), f"{case}: encode returned a token that live says is dead")
    require((tokens.diff(dim=0) >= 0).all(), f"{case}: a larger value got a smaller token; encode must be monotone")
    for column in range(_LAYOUT.width):
        alone = discretizer.encode(ordered[:, column : column + 1], column)
        require(torch.equal(alone[:, 0], tokens[:, column]), f"{case}: encode(x[..., c:c+1], at=c) is not column c")
    cube = discretizer.encode(ordered[:4].reshape(2, 2, -1))
    same = cube.ndim == 3 and torch.equal(cube.flatten(0, 1), tokens[:4])
    require(same, f"{case}: encode must take any number of leading dimensions")
    every = torch.arange(discretizer.bins)[:, None].expand(-1, _LAYOUT.width)  # (bins, D)
    values = discretizer.decode(every)
    require(torch.isfinite(values).all(), f"{case}: decode returned a value that is not finite")
    back = discretizer.encode(values)
    live = discretizer.live.T
    require((back == every)[live].all(), f"{case}: encode(decode(token)) is another token; decode into the bin itself")


def _check_values(discretizer: Discretizer, rows: Tensor, case: str) -> None:
    """Values are finite; expectation, the stop token, single columns and ``outside`` agree with decode."""
    every = torch.arange(discretizer.bins)[:, None].expand(-1, _LAYOUT.width)
    values = discretizer.decode(every)  # (bins, D)
    widths = discretizer.widths()
    require(
        widths.dtype == torch.float64 and widths.shape == discretizer.live.shape,
        f"{case}: widths is {widths.dtype} {tuple(widths.shape)}; expected float64 {tuple(discretizer.live.shape)}",
    )
    sound = torch.isfinite(widths) & (widths >= 0) & (discretizer.live | (widths == 0))
    require(sound.all(), f"{case}: widths must be finite, not negative, and 0 for dead bins")
    eye = torch.eye(discretizer.bins)
    stop = discretizer.decode(torch.full((1, _LAYOUT.width), discretizer.stop))
    for column in range(_LAYOUT.width):
        expected = discretizer.expectation(eye, column)
        require(torch.equal(expected, values[:, column]), f"{case}: expectation of a certain token is not its value")
        half = discretizer.expectation(eye / 2, column)
        require(torch.equal(half, values[:, column] / 2), f"{case}: expectation must not renormalise")
        alone = discretizer.decode(every[:, column : column + 1], column)
        require(torch.equal(alone[:, 0], values[:, column]), f"{case}: decode(t[..., c:c+1], at=c) is not column c")
        last = int(discretizer.live[column].nonzero().max())
        require(stop[0, column] == values[last, column], f"{case}: the stop token must decode as the last live bin")
    require(not discretizer.outside(rows).any(), f"{case}: outside is true of values that were fitted")
    if case == "continuous":
        far = torch.full((1, _LAYOUT.width), 1e30)
        require(discretizer.outside(far).all(), f"{case}: outside is false of 1e30, far above the data")
        require(discretizer.outside(-far).all(), f"{case}: outside is false of -1e30, far below the data")


def _check_refusals(discretizer: Discretizer, rows: Tensor, case: str) -> None:
    """Values that are not finite, and no rows at all, raise DataError."""
    for bad in (torch.nan, torch.inf, -torch.inf):
        spoiled = rows.clone()
        spoiled[1, 2] = bad
        _refuses(discretizer.encode, spoiled, f"{case}: encode must raise DataError for {bad}")
        _refuses(discretizer.fit, spoiled, f"{case}: fit must raise DataError for {bad}")
    _refuses(discretizer.fit, rows[:0], f"{case}: fit must raise DataError for no rows")


def _refuses(call: Callable[[Tensor], object], argument: Tensor, message: str) -> None:
    try:
        call(argument)
    except DataError:
        return
    raise AssertionError(message)
