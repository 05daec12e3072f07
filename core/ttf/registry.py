"""Find the installed plugins, isolate the broken ones, and index their components by slot and kind."""

from __future__ import annotations

import contextlib
import os
import sys
import time
from dataclasses import dataclass, replace
from functools import cache
from importlib import metadata
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from pluggy import PluginManager

from ttf import hookspecs
from ttf.component_rules import checked, kind_of
from ttf.errors import PluginError, did_you_mean
from ttf.plugin_api import NAME, mismatch, written_api

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from ttf.component import Component

GROUP = "ttf"

State: TypeAlias = Literal["loaded", "incompatible", "failed", "disabled"]


@dataclass(frozen=True)
class Plugin:
    """An entry point of the group ``ttf``, and what became of it."""

    name: str
    distribution: str
    version: str
    state: State
    reason: str = ""
    seconds: float = 0.0
    """How long its import took."""

    api: str | None = None
    """The version of the contracts that it was written for, if it says so."""

    @property
    def broken(self) -> bool:
        """Whether it should have been loaded and could not be."""
        return self.state in ("failed", "incompatible")

    def __str__(self) -> str:
        return f"plugin {self.name!r} of {self.distribution} {self.version}"


@dataclass(frozen=True)
class Entry:
    """A component that a plugin offers."""

    plugin: Plugin
    component: type[Component]
    """The class that recipes may name by its kind."""

    @property
    def slot(self) -> str:
        """The section of a recipe that it fills."""
        return self.component.slot

    @property
    def kind(self) -> str:
        """Its name, which another plugin may use too."""
        return kind_of(self.component)

    @property
    def qualified(self) -> str:
        """Its name, which no other plugin has."""
        return f"{self.plugin.distribution}:{self.kind}"


class Registry:
    """The installed plugins and their components."""

    def __init__(self, manager: PluginManager, plugins: Iterable[Plugin], entries: Iterable[Entry]) -> None:
        self.plugins = tuple(plugins)
        self.entries = tuple(entries)
        self._manager = manager

    def components(self, slot: str) -> Mapping[str, type[Component]]:
        """The components a recipe may name in a slot: by kind where only one has it, and all by ``dist:kind``."""
        entries = [entry for entry in self.entries if entry.slot == slot]
        shared = self.shared(slot)
        return {entry.kind: entry.component for entry in entries if entry.kind not in shared} | {
            entry.qualified: qualified(entry.component, entry.qualified) for entry in entries
        }

    def kinds(self, slot: str) -> list[str]:
        """The shortest unique name of every component of a slot, sorted."""
        return sorted(self.names(entry)[0] for entry in self.entries if entry.slot == slot)

    def shared(self, slot: str) -> dict[str, list[Entry]]:
        """The kinds that several plugins offer."""
        offers: dict[str, list[Entry]] = {}
        for entry in self.entries:
            if entry.slot == slot:
                offers.setdefault(entry.kind, []).append(entry)
        return {kind: entries for kind, entries in offers.items() if len(entries) > 1}

    def names(self, entry: Entry) -> list[str]:
        """What recipes may call a component, the shortest name first."""
        return [entry.qualified] if entry.kind in self.shared(entry.slot) else [entry.kind, entry.qualified]

    def why_missing(self, kind: str) -> str | None:
        """Why a kind is not there, if the plugin of that name was not loaded."""
        for plugin in self.plugins:
            if plugin.state != "loaded" and kind in (plugin.name, f"{plugin.distribution}:{plugin.name}"):
                state = "has failed" if plugin.state == "failed" else f"is {plugin.state}"
                return f"{plugin} {state}: {plugin.reason}"
        return None

    def call(self, plugin: Plugin, hook: str, **arguments: object) -> None:
        """Call one plugin's implementation of a hook.

        Raises:
            PluginError: it raised.
        """
        _call(self._manager, plugin, hook, **arguments)


def load_registry() -> Registry:
    """Load every plugin that is installed, or those that ``TTF_PLUGINS`` names (``none``, or names with commas).

    Raises:
        PluginError: ``TTF_PLUGINS`` names a plugin that is not installed.
    """
    points = sorted(metadata.entry_points(group=GROUP), key=lambda point: (_distribution(point), point.name))
    chosen = _chosen(points)
    manager = PluginManager(GROUP)
    manager.add_hookspecs(hookspecs)
    plugins: list[Plugin] = []
    entries: list[Entry] = []
    for point in points:
        plugin, components = _load(manager, point, enabled=chosen(point))
        fresh = [Entry(plugin, component) for component in components]
        twice = {entry.qualified for entry in fresh if _clashes(entry, [*entries, *fresh])}
        if twice:
            plugin = replace(plugin, state="failed", reason=f"offers {', '.join(sorted(twice))} a second time")
            fresh = []
        plugins.append(plugin)
        entries.extend(fresh)
    return Registry(manager, plugins, entries)


def _clashes(entry: Entry, others: Iterable[Entry]) -> bool:
    return sum((entry.slot, entry.qualified) == (other.slot, other.qualified) for other in others) > 1


def _distribution(point: metadata.EntryPoint) -> str:
    return told(point, "Name")


def told(point: metadata.EntryPoint, key: str) -> str:
    """What the metadata of an entry point's distribution says, which may be damaged; ``unknown`` then."""
    try:
        told = point.dist.metadata[key] if point.dist else None
    except Exception:  # noqa: BLE001  (Python's versions differ in what they raise)
        told = None
    return told or "unknown"


def _chosen(points: Iterable[metadata.EntryPoint]) -> Callable[[metadata.EntryPoint], bool]:
    setting = os.environ.get("TTF_PLUGINS", "").strip()
    if not setting:
        return lambda _point: True
    wanted = set() if setting == "none" else {name.strip() for name in setting.split(",") if name.strip()}
    known = {name for point in points for name in (point.name, _distribution(point))}
    for name in sorted(wanted - known):
        message = f"TTF_PLUGINS: no plugin {name!r} is installed{did_you_mean(name, known)}"
        raise PluginError(message)
    return lambda point: not wanted.isdisjoint({point.name, _distribution(point)})


def _load(manager: PluginManager, point: metadata.EntryPoint, *, enabled: bool) -> tuple[Plugin, list[type[Component]]]:
    plugin = Plugin(point.name, _distribution(point), told(point, "Version"), "loaded")
    if not enabled:
        return replace(plugin, state="disabled", reason="TTF_PLUGINS does not name it"), []
    start = time.perf_counter()
    try:
        # A plugin that prints must not spoil what the command prints.
        with contextlib.redirect_stdout(sys.stderr):
            version = written_api(point)
            if version is None or not mismatch(version):
                module = point.load()
                version = getattr(module, NAME, None)
            plugin = replace(plugin, seconds=time.perf_counter() - start, api=None if version is None else str(version))
            if reason := mismatch(version):
                return replace(plugin, state="incompatible", reason=reason), []
            _register(manager, plugin, module)
            return plugin, _components(manager, plugin)
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # noqa: BLE001  (a plugin may even call sys.exit)
        seconds = time.perf_counter() - start
        return replace(plugin, state="failed", reason=_reason(error), seconds=seconds), []


def _reason(error: BaseException) -> str:
    text = " ".join(str(error).split())
    return text if isinstance(error, PluginError) else f"{type(error).__name__}: {text}".rstrip(": ")


def _register(manager: PluginManager, plugin: Plugin, module: object) -> None:
    name = f"{plugin.distribution}:{plugin.name}"  # two distributions may use the same entry point name
    try:
        manager.register(module, name)
        manager.check_pending()
        if not manager.get_hookcallers(module):
            message = "has no hooks; is its function ttf_components marked with @hookimpl?"
            raise PluginError(message)
    except Exception:
        if manager.has_plugin(name):
            manager.unregister(name=name)
        raise


def _call(manager: PluginManager, plugin: Plugin, hook: str, **arguments: object) -> list[Any]:
    module = manager.get_plugin(f"{plugin.distribution}:{plugin.name}")
    others = [other for other in manager.get_plugins() if other is not module]
    try:
        with contextlib.redirect_stdout(sys.stderr):
            return list(manager.subset_hook_caller(hook, others)(**arguments))
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        message = f"hook {hook}: {_reason(error)}"
        raise PluginError(message) from error


def _components(manager: PluginManager, plugin: Plugin) -> list[type[Component]]:
    found: list[type[Component]] = []
    for result in _call(manager, plugin, "ttf_components"):
        if isinstance(result, str | type) or not hasattr(result, "__iter__"):
            message = f"hook ttf_components: must return an iterable of classes, found {type(result).__name__}"
            raise PluginError(message)
        found.extend(checked(component) for component in result)
    return found


@cache
def qualified(component: type[Component], name: str) -> type[Component]:
    """The same component under its qualified name, so that a recipe that needs the name keeps it."""
    from pydantic import create_model

    kind: Any = (Literal[name], name)  # a field definition; create_model is not typed for it
    return create_model(
        component.__name__, __base__=component, __module__=component.__module__, __doc__=component.__doc__, kind=kind
    )
