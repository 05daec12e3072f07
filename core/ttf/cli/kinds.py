"""A command whose help says which kinds are installed."""

from __future__ import annotations

import click


class KindsCommand(click.Command):
    """Its help lists every slot's kinds, those of all installed plugins."""

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the kinds, then the examples."""
        from ttf.component import SLOTS
        from ttf.registry import load_registry

        registry = load_registry()
        with formatter.section("Installed kinds"):
            formatter.write_dl([(slot, ", ".join(kinds)) for slot in SLOTS if (kinds := registry.kinds(slot))])
        super().format_epilog(ctx, formatter)
