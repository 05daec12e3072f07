"""Put the result of a finished study into its page: ``studies.py NAME``, where ``ttf ablate studies/NAME`` was run."""

from __future__ import annotations

import base64
import json
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ttf.ablate.comparison import compare
from ttf.ablate.figures import pictures
from ttf.ablate.study import load_study
from ttf.ablate.study_dir import newest_study
from ttf.ablate.table import HEADINGS, names, rows
from ttf.registry import load_registry

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ttf.ablate.comparison import Comparison
    from ttf.ablate.study import Study
    from ttf.ablate.study_dir import StudyDir

ROOT = Path(__file__).parents[2]
PAGES = Path(__file__).parent / "studies"
RESULT = re.compile(r"(?<=<!-- result -->\n).*?(?=<!-- /result -->)", re.DOTALL)
SHOWN = ("mean", "difference", "P(improved)", "training", "acting")


def result(comparison: Comparison, study: Study, folder: StudyDir) -> Iterator[str]:
    """The lines between the marks of a page; writes the figures beside it."""
    run = folder.run(next(study.trials)).read("run") or {}
    cells = comparison.cells
    seeds, episodes = cells[0].scores.shape
    used = f"Python {run['machine']['python']}, torch {run['versions']['torch']}"
    yield f"{len(cells)} cells, {seeds} seeds of {episodes} episodes each; success in per cent. Two trials at once"
    yield f"on two cores of an {run['machine']['processor']}, {used}. Times of all seeds, shared training in full.\n"
    columns = [HEADINGS.index(name) - 1 for name in SHOWN]
    yield f"| {' | '.join([names(comparison).heading, *SHOWN])} |\n|{' --- |' * (len(SHOWN) + 1)}"
    for row in rows(comparison):
        label = f"**{row.label}**" if row.best else row.label
        yield f"| {' | '.join([label, *(row.figures[column] for column in columns)])} |"
    for picture in pictures(comparison, study, folder):
        name = f"{study.recipe.name.removeprefix('study_')}_{picture.title.lower().replace(' ', '_')}.svg"
        (PAGES / name).write_bytes(base64.b64decode(picture.source.partition(",")[2]))
        yield f"\n![{picture.title}]({name})\n\n{picture.caption}"


def main() -> None:
    """Write the page's result, its figures and all figures as JSON."""
    name = sys.argv[1]
    recipe = ROOT / "recipes" / "studies" / f"{name}.yaml"
    study = load_study(recipe, load_registry(), sys.argv[2:], (), None, click.echo)
    folder = newest_study(Path("runs"), study, click.echo)
    comparison = compare(study, folder)
    page = PAGES / f"{name}.md"
    text = "\n".join(result(comparison, study, folder)) + "\n"
    page.write_text(RESULT.sub(lambda _: text, page.read_text(encoding="utf-8")), encoding="utf-8")
    (PAGES / f"{name}.json").write_text(json.dumps(comparison.as_json()) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
