"""Where the commands print."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table


def make_console(*, stderr: bool = False) -> Console:
    """A console that does not wrap tables when nobody looks; it honours NO_COLOR."""
    from rich.console import Console

    console = Console(stderr=stderr, highlight=False)
    return console if console.is_terminal else Console(stderr=stderr, highlight=False, width=200)


def make_table(*headings: str) -> Table:
    """A table that folds what is too long for the terminal: nothing that it shows is cut."""
    from rich import box
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False, show_edge=False)
    for heading in headings:
        table.add_column(heading, overflow="fold")
    return table


def fits(console: Console, table: Table) -> bool:
    """Whether a table needs no folding."""
    return console.measure(table, options=console.options.update(width=10_000)).maximum <= console.width
