"""Tokens: what the recipe's discretizer makes of the data."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch

from ttf.data_check.report import Finding, listed
from ttf.data_check.values import USED, sampled, spread
from ttf.reconstruction import reconstruction

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from ttf.data_check.subject import Subject

PER_BIN = 20
"""Values for each bin in use, on average, below which what is learned of a bin is mostly chance: the share of one that
holds twenty is known to a quarter or so."""

LOST = 0.2
"""Mean error of a column, as a share of its standard deviation, from which on discretizing loses what can be seen:
about a twentieth of the variance. A hundred bins of equal width lose 0.025 of a normal distribution, four lose 0.22 of
an even one."""

DEAD = 0.5
"""Share of a column's bins that no value falls into, from which on that is said."""


def tokenised(subject: Subject) -> list[dict[str, Any]] | None:
    """A record per column, as in discretizer.json, and the bins that hold values; None without a discretizer."""
    if subject.rows is None or subject.recipe.discretizer is None:
        return None
    discretizer = subject.recipe.discretizer.build(subject.rows.layout)
    discretizer.fit(torch.from_numpy(subject.rows.values))
    found = discretizer.encode(torch.from_numpy(sampled(subject.rows)))
    used = [int((torch.bincount(tokens) > 0).sum()) for tokens in found.T]
    records = reconstruction(discretizer, subject.rows, None)
    return [{**record, "used": count} for record, count in zip(records, used, strict=True)]


def tokens(subject: Subject, records: Sequence[dict[str, Any]]) -> Iterator[Finding]:
    """Bins that are too many for the data, that are used unevenly, or too wide."""
    assert subject.rows is not None  # noqa: S101  (there are records of them)
    assert subject.recipe.discretizer is not None  # noqa: S101
    count, bins = len(subject.rows.values), subject.recipe.discretizer.bins
    values = sampled(subject.rows)
    many = [spread(values[:, index], bins) for index in range(len(records))]
    deviations = subject.rows.values.std(axis=0, dtype="float64").tolist()
    thin = [record for record, spread_out in zip(records, many, strict=True) if spread_out]
    if few := [record["name"] for record in thin if count < PER_BIN * record["used"]]:
        least = min(count / record["used"] for record in thin)
        advice = f"set discretizer.bins to {max(2, count // PER_BIN):,} or less, or record more"
        yield Finding("few-per-bin", "warning", f"bins hold {least:.0f} values on average", listed(few), advice)
    use = {record["name"]: 2 ** record["entropy_bits"] / bins for record in thin}
    uneven = [name for name, part in use.items() if part < USED]
    if uneven:
        least_used = bins * min(use[name] for name in uneven)
        what = f"of {bins} bins, the values use {least_used:.1f} and more"
        advice = "heavy tails: take discretizer.kind quantile, whose bins are narrow where values are many"
        yield Finding("heavy-tails", "warning", what, listed(uneven), advice)
    if dead := [r["name"] for r in thin if bins - r["used"] > DEAD * bins and r["name"] not in uneven]:
        most = bins - min(record["used"] for record in thin if record["name"] in dead)
        advice = "bins of equal width over a gap: take discretizer.kind quantile, or leave it so"
        yield Finding("dead-bins", "note", f"up to {most} of {bins} bins hold no value", listed(dead), advice)
    errors = {r["name"]: r["error_mean"] / d for r, d in zip(records, deviations, strict=True) if d > 0}
    if coarse := [name for name, error in errors.items() if error > LOST]:
        worst = 100 * max(errors[name] for name in coarse)
        what = (
            f"a value and what its token decodes to differ by up to {worst:.0f} % of the standard deviation, on average"
        )
        yield Finding("coarse-bins", "warning", what, listed(coarse), "take more bins, or discretizer.kind quantile")
