"""The command group: built-in commands, and those that plugins add."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import click

from ttf import __version__
from ttf.cli.ablate import ablate
from ttf.cli.analyse import analyse
from ttf.cli.bench import bench
from ttf.cli.components import components
from ttf.cli.data import data
from ttf.cli.doctor import doctor
from ttf.cli.export import export
from ttf.cli.new import new
from ttf.cli.plugins import plugins
from ttf.cli.recipes import recipes
from ttf.cli.report import report
from ttf.cli.run import run
from ttf.cli.schema import schema
from ttf.cli.stages import stages
from ttf.cli.trial import trial
from ttf.cli.validate import validate
from ttf.errors import PluginError

if TYPE_CHECKING:
    from ttf.distributed import Company
    from ttf.registry import Plugin, Registry

EPILOG = """\b
Examples:
  ttf recipes                                 what can be run
  ttf run pointmaze_beam_search               run a shipped recipe
  ttf components decoder                      the planners and their options
  ttf run my.yaml --set decoder.horizon=10    run your own, with a change

\b
Shell completion (bash; zsh and fish alike):
  eval "$(_TTF_COMPLETE=bash_source ttf)"
"""


@dataclass
class Settings:
    """What the options before the command say, and who else was started with this process."""

    debug: bool = False
    company: Company | None = None


class _Group(click.Group):
    """Looks for plugins' commands only when no built-in one will do."""

    _asked = False

    def list_commands(self, ctx: click.Context) -> list[str]:
        self._add_plugin_commands()
        return super().list_commands(ctx)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in self.commands:
            self._add_plugin_commands()
        return super().get_command(ctx, cmd_name)

    def _add_plugin_commands(self) -> None:
        if self._asked:
            return
        self._asked = True
        from ttf.registry import load_registry

        registry = load_registry()
        for plugin in registry.plugins:
            if plugin.state == "loaded":
                self._ask(registry, plugin)

    def _ask(self, registry: Registry, plugin: Plugin) -> None:
        offered = click.Group()  # a plugin may add commands, not change ours
        try:
            registry.call(plugin, "ttf_commands", cli=offered)
        except PluginError as error:
            click.echo(f"Warning: {plugin}: {error}", err=True)
            return
        for name, command in offered.commands.items():
            if name in self.commands:
                click.echo(f"Warning: {plugin}: there is a command {name!r} already", err=True)
            else:
                self.add_command(command, name)


def make_cli() -> click.Group:
    """The ``ttf`` command."""

    @click.group(cls=_Group, epilog=EPILOG, context_settings={"help_option_names": ["-h", "--help"]})
    @click.version_option(__version__, prog_name="ttf")
    @click.option("--debug", is_flag=True, help="Show the traceback of an error.")
    @click.pass_obj
    def ttf(settings: Settings, *, debug: bool) -> None:
        """Offline reinforcement learning as sequence modelling, assembled from recipes."""
        settings.debug = debug

    running = (run, ablate, trial, analyse, report, export, bench, stages)
    for command in (*running, validate, data, components, schema, recipes, new, plugins, doctor):
        ttf.add_command(command)
    return ttf
