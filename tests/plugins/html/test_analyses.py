"""Whatever an analysis finds is drawn without knowing the analysis."""

from __future__ import annotations

import base64
import math
import re
from typing import TYPE_CHECKING, Any

import pytest
from tests.plugins.html.test_html import HOSTILE, report

from ttf.errors import DataError
from ttf.findings import Axis, BarFigure, Bars, Estimate, Findings, LineFigure, Map, MapFigure, Series, Table
from ttf_plugins.html import analyses, tables

if TYPE_CHECKING:
    from ttf.paper import Picture
    from ttf.run_dir import RunDir


def svg(picture: Picture) -> str:
    return base64.b64decode(picture.source.partition(",")[2]).decode()


def written(picture: Picture) -> list[str]:
    """What stands in a picture."""
    return re.findall(r"<!-- (.*?) -->", svg(picture))


def everything(name: str = "error") -> Findings:
    rows: list[list[Estimate | int | float | str | None]] = [[name, Estimate(0.5, 0.25, 0.75)], ["none", None]]
    maps = [Map(f"{name} {i}", [[i * 0.1, None, 0.5, 0.25]] * 3) for i in range(5)]
    return Findings(
        title=f"About {name}",
        text=f"A paragraph about {name}.",
        tables=[Table("Figures", "What they are.", ["what", "how much"], [*rows, ["many", 1234], ["few", 0.01234]])],
        lines=[
            LineFigure(name, "Lines.", "step", "size", [Series(f"{name} A", [1, 2], [1.0, None], [0, None], [2, None])])
        ],
        bars=[BarFigure(name, "Bars.", "size", ["a", "b"], [Bars("first", [1, None]), Bars("second", [2.0, 0.0])])],
        maps=[
            MapFigure(name, "Maps.", Axis("row", ["x", "y", "z"]), Axis("column", ["t-1", "t"], [2, 2]), "size", maps)
        ],
    )


def store(run: RunDir, findings: Findings, name: str = "error", **more: Any) -> None:  # noqa: ANN401
    run.write_analysis(name, {"name": name, "step": 5000, "findings": findings.as_json()} | more)


def test_analyses_have_a_section_of_their_own(full_run: RunDir) -> None:
    before = report(full_run)
    store(full_run, everything())
    store(full_run, everything("other"), "attention 2")
    page = report(full_run)
    assert "analyses" not in before.sections
    assert page.sections == ["results", "behaviour", "training", "discretizer", "analyses", "provenance"]
    assert page.tags.count("img") == before.tags.count("img") + 6
    text = " ".join(page.text.split())
    assert text.index("A paragraph about other.") < text.index("A paragraph about error.")  # sorted by name
    assert "error, of the model after 5 000 updates." in text
    assert [[], [0.5, 0.25, 0.75], [], [1234.0], [0.01234]] in page.tables


def test_how_an_analysis_was_asked_stands_beside_its_findings(full_run: RunDir) -> None:
    store(full_run, everything(), config={"kind": "error", "actions": "model", "steps": 5, "sample": True})
    text = " ".join(report(full_run).text.split())
    assert "error (actions: model, steps: 5, sample: true), of the model after 5 000 updates." in text


def test_columns_that_an_analysis_tells_of_stand_in_the_report_once(full_run: RunDir) -> None:
    before = report(full_run)
    store(full_run, everything(), config={"kind": "error"})
    store(full_run, everything(), "discretizer", config={"kind": "discretizer"})
    after = report(full_run)
    assert "Column by column below, among the analyses." in after.text
    assert after.sections == ["results", "behaviour", "training", "discretizer", "analyses", "provenance"]
    assert after.tags.count("img") == before.tags.count("img") - 1 + 2 * 3
    assert len(after.tables) == len(before.tables) - 1 + 2
    assert "Column by column below" not in before.text


def test_a_page_of_analyses_alone_is_complete_in_itself(run: RunDir) -> None:
    store(run, everything())
    page = report(run)
    assert page.sections == ["analyses", "provenance"]
    assert all(link.startswith("data:image/svg+xml;base64,") for link in page.links)
    first = run.report.read_bytes()
    report(run)
    assert run.report.read_bytes() == first


def test_what_strangers_find_is_text(run: RunDir) -> None:
    store(run, everything(HOSTILE))
    page = report(run)
    assert "script" not in page.tags
    assert f"About {HOSTILE}" in page.text


def test_findings_that_do_not_fit_together_are_named_with_their_file(run: RunDir) -> None:
    document = everything().as_json()
    document["tables"][0]["columns"] = ["one"]
    run.write_analysis("error", {"name": "error", "findings": document})
    with pytest.raises(DataError) as error:
        report(run)
    assert str(error.value) == (
        "analyses/error.json: findings.tables.0: Value error, "
        "rows of table 'Figures' must have one length, found [1, 2]"
    )


def test_every_series_bar_and_map_is_drawn_with_its_names() -> None:
    lines, bars, maps = analyses.pictures(everything())
    assert {"step", "size", "error A"} <= set(written(lines))
    assert {"a", "b", "first", "second", "size"} <= set(written(bars))
    assert {"x", "y", "z", "t-1", "t", "row", "column", "size", *(f"error {i}" for i in range(5))} <= set(written(maps))
    assert svg(maps).count("<image ") == 5 + 1  # the colour bar's


def test_parts_of_groups_are_named_below_every_column_of_maps() -> None:
    columns = Axis("column", ["before", "now"], [3, 2], [2, 1, 1, 1], ["s", "a", "s", ""])
    figure = MapFigure("", "", Axis("", ["x"]), columns, "", [Map(str(i), [[0.0] * 5]) for i in range(3)], abreast=2)
    names = written(analyses.pictures(Findings("", "", maps=[figure]))[0])
    assert [names.count(name) for name in ("before", "now", "s", "a")] == [2, 2, 4, 2]


def test_maps_share_their_colours_and_are_clear_of_what_is_not_known() -> None:
    def drawn(*values: float | None) -> list[str]:
        maps = [Map(str(i), [[value]]) for i, value in enumerate(values)]
        figure = MapFigure("", "", Axis("", ["a"]), Axis("", ["b"]), "", maps)
        return re.findall(
            r'data:image/png;base64,\s*([^"]*)"', svg(analyses.pictures(Findings("", "", maps=[figure]))[0])
        )

    one, two, three, unknown, _ = drawn(1.0, 0.5, 1.0, None)
    assert one == three != two
    assert unknown not in (one, two)


@pytest.mark.parametrize(
    ("scale", "ticks"),
    [
        ("log", {"0.02", "0.1", "1", "50", "1\N{NARROW NO-BREAK SPACE}000"}),
        ("symlog", {"0", "50", "100", "1\N{NARROW NO-BREAK SPACE}000", "\N{MINUS SIGN}10\N{SUPERSCRIPT SIX}"}),
    ],
)
def test_ticks_of_logarithmic_axes_are_numbers(scale: str, ticks: set[str]) -> None:
    near = Series("near", [1, 2], [0.02, 73.0])
    far = Series("far", [1, 2], [1e3, 5e3 if scale == "log" else -4e6])
    (picture,) = analyses.pictures(Findings("", "", lines=[LineFigure("", "", "x", "y", [near, far], scale)]))
    assert ticks <= set(written(picture))


@pytest.mark.parametrize("scale", ["linear", "log", "symlog"])
def test_lines_on_any_scale_are_drawn_even_if_nothing_is_known(scale: str) -> None:
    series = [Series("a", [1, 2], [None, None]), Series("b", [1, 2], [-1e6, -3.0]), Series("c", [], [], dashed=True)]
    for some in ([], series[:1], series):
        (picture,) = analyses.pictures(Findings("", "", lines=[LineFigure("", "", "x", "y", some, scale)]))
        assert "x" in written(picture)


def test_many_names_are_not_written_on_top_of_one_another() -> None:
    names = [f"name {i}" for i in range(200)]
    bars = BarFigure("", "", "", names, [Bars("b", [1.0] * 200)])
    square = Axis("", names)
    maps = MapFigure("", "", square, square, "", [Map("m", [[0.0] * 200] * 200)], color_scale="sqrt")
    for picture in analyses.pictures(Findings("", "", bars=[bars], maps=[maps])):
        assert not set(written(picture)) & set(names)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "\N{EN DASH}"),
        ("word", "word"),
        (12, '<data value="12">12</data>'),
        (0.012345, '<data value="0.012345">0.0123</data>'),
        (1234.5, '<data value="1234.5">1\N{NARROW NO-BREAK SPACE}234</data>'),
        (math.inf, '<data value="inf">inf</data>'),
        (Estimate(1.5), '<data value="1.5">1.50</data>'),
    ],
)
def test_a_cell_is_rounded_for_people_and_exact_for_programs(value: Any, text: str) -> None:  # noqa: ANN401
    assert [[str(cell) for cell in row] for row in tables.cells(Table("", "", ["what"], [[value]]))] == [[text]]


def test_numbers_of_a_column_have_the_same_digits_but_for_those_that_would_be_hidden() -> None:
    def shown(*column: Any) -> list[str]:  # noqa: ANN401
        rows = tables.cells(Table("", "", ["what"], [[value] for value in column]))
        return [re.sub("<.*?>", "", str(row[0])) for row in rows]

    assert shown(Estimate(1.05, 0.95, 1.17), Estimate(1.05, 0.967, 1.147)) == [
        "1.050 [0.950, 1.170]",
        "1.050 [0.967, 1.147]",
    ]
    assert shown(Estimate(0.0213, 0.0206, 0.022), Estimate(0.5, 0.45, 0.55), Estimate(1.05, 0.95, 1.17)) == [
        "0.021 [0.021, 0.022]",
        "0.500 [0.450, 0.550]",
        "1.050 [0.950, 1.170]",
    ]
    assert shown(59.21, 16.62, 5.213, 0.0, None, 12) == ["59.2", "16.6", "5.2", "0.0", "\N{EN DASH}", "12"]
    assert shown(1234.5, 2345.6, 0.0123) == [
        "1\N{NARROW NO-BREAK SPACE}234",
        "2\N{NARROW NO-BREAK SPACE}346",
        "0.0123",
    ]


def test_ticks_between_whole_numbers_are_left_out_and_references_can_be_told_apart() -> None:
    near = [Series("far", [1, 2, 3], [70, 80, 90]), *(Series(name, [1, 3], [8, 8], dashed=True) for name in "ab")]
    picture, fractions = (
        analyses.pictures(Findings("", "", lines=[LineFigure("", "", "x", "", series)]))[0]
        for series in (near, [Series("far", [1, 2.5], [70, 90])])
    )
    assert {"1", "2", "3"} <= set(written(picture))
    assert [any("." in text for text in written(one)) for one in (picture, fractions)] == [False, True]
    dashes = re.findall(r"stroke-dasharray: ([\d., ]+); stroke-dashoffset: 0; stroke: #777777", svg(picture))
    assert len(set(dashes)) == 2
