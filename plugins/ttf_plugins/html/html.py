"""Write the report of a run from its folder alone."""

from __future__ import annotations

import json
from importlib.resources import files
from typing import TYPE_CHECKING, Any, final

from jinja2 import Environment, StrictUndefined

from ttf.floor import world
from ttf.interfaces.reporter import Reporter
from ttf.paper import page_style
from ttf.run_dir import write_text
from ttf_plugins.html import analyses, bins, curves, distributions, maze, results, states, tables
from ttf_plugins.html.contents import Contents, read_contents

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ttf.interfaces.environment import FloorPlan
    from ttf.paper import Picture
    from ttf.run_dir import RunDir
    from ttf.trajectories import Trajectory
    from ttf_plugins.html.documents import PolicyResult

EPISODES_LISTED = 1000


@final
class HtmlReporter(Reporter):
    """Writes the report when the run has ended; metrics and episodes are read from the folder then."""

    def __init__(self, run: RunDir) -> None:
        self._run = run

    def metrics(self, record: Mapping[str, Any]) -> None:
        """Nothing to do before the end."""

    def episode(self, record: Mapping[str, Any]) -> None:
        """Nothing to do before the end."""

    def finish(self) -> None:
        """Write the report, whole or not at all.

        Raises:
            DataError: a file of the run is malformed.
            ResourceError: the report cannot be written.
        """
        write_text(self._run.report, render(read_contents(self._run)))


def render(contents: Contents) -> str:
    """The page, complete in itself; the same contents give the same text."""
    package = files("ttf_plugins.html")
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    environment.filters |= {"interval": results.interval, "exact": results.exact, "plain": results.plain, "show": show}
    environment.filters["cells"] = tables.cells
    template = environment.from_string(package.joinpath("report.html.jinja").read_text(encoding="utf-8"))
    return template.render(
        contents=contents,
        run=contents.run,
        planner=planner(contents),
        rows=results.rows(contents.result.policies),
        digits=digits(contents.result.policies),
        seeds=results.by_seed(contents.episodes, contents.policies, EPISODES_LISTED),
        pictures=pictures(contents),
        analyses=[(item, analyses.pictures(item.findings)) for item in contents.analyses],
        percent=bins.percent,
        style=page_style(),
    )


def show(value: object) -> str:
    """A value of a JSON document as one line of text."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def digits(policies: Sequence[PolicyResult]) -> dict[str, int]:
    """Decimal places of the columns of the table."""
    if not policies:
        return {}
    columns = {"steps": [row.steps for row in policies], "returns": [row.returns for row in policies]}
    return {name: results.decimals(column) for name, column in columns.items()}


def planner(contents: Contents) -> str | None:
    """The policy that the run is about: the one that made plans, else the first of the results."""
    planned = [item.policy for item in contents.trajectories if item.plans]
    return next(iter(planned + contents.policies), None)


def pictures(contents: Contents) -> dict[str, list[Picture]]:
    """The figures of every section; a section whose data is absent has none."""
    info = contents.discretizer
    return {
        "behaviour": _behaviour(contents),
        "spread": _spread(contents),
        "training": _training(contents),
        "discretizer": [bins.bins_picture(info)] if info is not None and info.columns else [],
    }


def _training(contents: Contents) -> list[Picture]:
    drawn = [curves.curves_picture(contents.metrics)] if contents.metrics else []
    if contents.learning:
        drawn.append(curves.learners_picture(contents.learning))
    return drawn


def _spread(contents: Contents) -> list[Picture]:
    if not contents.episodes:
        return []
    return [distributions.spread_picture(contents.episodes, contents.policies, contents.result.policies)]


def _behaviour(contents: Contents) -> list[Picture]:
    grouped = {policy: [t for t in contents.trajectories if t.policy == policy] for policy in contents.policies}
    grouped = {policy: items for policy, items in grouped.items() if items}
    if not grouped:
        return []
    main = grouped.get(planner(contents) or "", next(iter(grouped.values())))
    if contents.floor is None:
        names = contents.run.layout.names if contents.run.layout is not None else []
        return [states.states_picture(main[0], names)]
    return _from_above(contents, contents.floor, grouped, main)


def _from_above(
    contents: Contents, floor: FloorPlan, grouped: dict[str, list[Trajectory]], main: list[Trajectory]
) -> list[Picture]:
    scene = world(floor, contents.trajectories)
    success = {(record.policy, record.episode): record.success for record in contents.episodes}
    drawn = [maze.behaviour_picture(scene, grouped, success)]
    if any(item.looks_ahead for item in main):
        drawn.append(maze.plans_picture(scene, main, success))
    return drawn
