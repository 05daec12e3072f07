"""Cells are called by what tells them apart."""

from __future__ import annotations

import pytest

from ttf.ablate.names import short_names


@pytest.mark.parametrize(
    ("cells", "heading", "short"),
    [
        (["model=gpt", "model=lstm"], "model", ["gpt", "lstm"]),
        (["as given", "decoder.beam_width=4"], "decoder.beam_width", ["as given", "4"]),
        (
            ["discretizer=uniform, decoder.horizon=2", "discretizer={kind: kmeans, bins: 9}, decoder.horizon=2"],
            "discretizer, decoder.horizon",
            ["uniform, 2", "{kind: kmeans, bins: 9}, 2"],
        ),
        (["decoder.horizon=2, near", "decoder.horizon=3, near"], "decoder.horizon", ["2, near", "3, near"]),
        (["own values", "critic at the leaf"], "cell", ["own values", "critic at the leaf"]),
        (["all, together", "none"], "cell", ["all, together", "none"]),
        (["as given"], "cell", ["as given"]),
    ],
)
def test_what_all_names_share_is_taken_out(cells: list[str], heading: str, short: list[str]) -> None:
    names = short_names(cells)
    assert names.heading == heading
    assert names.short == dict(zip(cells, short, strict=True))
