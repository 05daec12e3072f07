"""The command line ``ttf``: one file per command."""

from __future__ import annotations

from ttf.cli.edge import main

__all__ = ["main"]
