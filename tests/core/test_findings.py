"""What analyses find is plain data, small, and of one shape."""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING

import pytest

from ttf.findings import Axis, BarFigure, Bars, Estimate, Findings, LineFigure, Map, MapFigure, Series, Table

if TYPE_CHECKING:
    from collections.abc import Callable


def test_findings_become_json_of_four_digits_in_which_what_is_not_finite_is_null() -> None:
    findings = Findings(
        "Title",
        "Text.",
        tables=[Table("t", "c", ["name", "figure"], [["a", 123456], ["b", Estimate(1 / 3, -math.inf, 20000.7)]])],
        lines=[LineFigure("l", "c", "x", "y", [Series("s", [1, 12345], [math.nan, 0.000123456])])],
    )
    document = json.loads(json.dumps(findings.as_json(), allow_nan=False))
    assert document["tables"][0]["rows"] == [
        ["a", 123456],
        ["b", {"estimate": 0.3333, "low": None, "high": 20000.0}],
    ]
    (series,) = document["lines"][0]["series"]
    assert (series["x"], series["y"]) == ([1, 12345], [None, 0.0001235])
    assert (document["title"], document["bars"], document["maps"]) == ("Title", [], [])


AXIS, ROWS = Axis("columns", ["a", "b"]), Axis("rows", ["t-1", "t"], [2, 1])


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Table("t", "", ["a", "b"], [["x"]]), "rows of table 't' must have one length, found [1, 2]"),
        (
            lambda: Series("s", [1, 2], [1, 2], low=[1], high=[1, 2]),
            "x, y, low and high of series 's' must have one length, found [1, 2]",
        ),
        (
            lambda: BarFigure("f", "", "", ["a"], [Bars("x", [])]),
            "names and bars of figure 'f' must have one length, found [0, 1]",
        ),
        (
            lambda: MapFigure("f", "", ROWS, AXIS, "", [Map("m", [[1, 2]] * 2)]),
            "rows of map 'm' must have one length, found [2, 3]",
        ),
        (
            lambda: MapFigure("f", "", ROWS, AXIS, "", [Map("m", [[1, 2], [1], [1, 2]])]),
            "columns of map 'm' must have one length, found [1, 2]",
        ),
        (
            lambda: MapFigure("f", "", Axis("rows", ["t"], [2, 1]), AXIS, "", []),
            "names and groups of axis 'rows' must have one length, found [1, 2]",
        ),
        (
            lambda: MapFigure("f", "", ROWS, Axis("rows", ["t"], [2], [1, 1], ["s"]), "", []),
            "names and parts of axis 'rows' must have one length, found [1, 2]",
        ),
        (
            lambda: MapFigure("f", "", ROWS, Axis("rows", ["t"], [3], [1, 1], ["s", "a"]), "", []),
            "axis 'rows' and its parts must have one length, found [2, 3]",
        ),
    ],
)
def test_what_does_not_fit_together_is_refused(make: Callable[[], object], message: str) -> None:
    with pytest.raises(ValueError, match="must have one length") as error:
        make()
    assert str(error.value) == message


def test_an_axis_is_as_long_as_its_groups_or_its_names() -> None:
    assert (AXIS.size, ROWS.size) == (2, 3)
