from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest

from ttf.component import ReporterConfig
from ttf.errors import PluginError, RecipeError
from ttf.recipe import dump, load
from ttf.registry import Plugin, load_registry
from ttf.schema import recipe_schema

if TYPE_CHECKING:
    from pathlib import Path

    from tests.conftest import Install


CARD = """
from typing import Annotated, Literal
from pydantic import Field
from ttf import hookimpl
from ttf.component import Component, DiscretizerConfig, ReporterConfig, DataConfig

ttf_api = "1"

class Source(DataConfig):
    "Nothing."
    kind: Literal["nothing"] = "nothing"
    def build(self, *, seed, progress):
        raise NotImplementedError

class Bins(DiscretizerConfig):
    "Some bins."
    kind: Literal["bins"] = "bins"
    extra: Annotated[int, Field(ge=1)] = 1
    "One more."
    def build(self, layout):
        raise NotImplementedError

OFFERED = [Source, Bins]

@hookimpl
def ttf_components():
    return OFFERED
"""

RECIPE = "name: x\ndata: {kind: nothing}\ndiscretizer: {kind: bins}\n"


def only(name: str) -> Plugin:
    found = [plugin for plugin in load_registry().plugins if plugin.name == name]
    assert len(found) == 1
    return found[0]


def test_the_built_in_plugins_are_all_loaded_and_found_by_slot_and_kind() -> None:
    registry = load_registry()
    mine = [plugin for plugin in registry.plugins if plugin.distribution == "trajectory-transformer"]
    assert {plugin.state for plugin in mine} == {"loaded"}
    assert len(mine) == 28
    assert registry.kinds("discretizer") == ["quantile", "uniform"]
    assert issubclass(registry.components("reporters")["html"], ReporterConfig)


def test_a_strangers_plugin_is_loaded_with_its_distribution_and_version(install: Install) -> None:
    install("stranger_a", CARD)
    plugin = only("stranger_a")
    assert (plugin.distribution, plugin.version, plugin.state, plugin.reason) == ("stranger", "1.2", "loaded", "")
    assert 0 < plugin.seconds < 10
    assert load_registry().kinds("discretizer") == ["bins"]


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        ("import no_such_module", "ModuleNotFoundError: No module named 'no_such_module'"),
        ("def (", "SyntaxError: invalid syntax (broken.py, line 1)"),
        ("raise SystemExit(3)", "SystemExit: 3"),
        ("raise GeneratorExit", "GeneratorExit"),
        (CARD + "\n@hookimpl\ndef ttf_component(): return []\n", "PluginValidationError: unknown hook 'ttf_component'"),
        (CARD.replace("def ttf_components()", "def ttf_components(more)"), "PluginValidationError: Plugin 'stranger:"),
        (CARD.replace("return OFFERED", "raise ValueError('no')"), "hook ttf_components: ValueError: no"),
        (CARD.replace("return OFFERED", "raise SystemExit"), "hook ttf_components: SystemExit"),
        (CARD.replace("return OFFERED", "return 3"), "must return an iterable of classes, found int"),
        (CARD.replace("return OFFERED", "return Bins"), "must return an iterable of classes, found ModelMetaclass"),
        (CARD.replace("return OFFERED", "yield Bins\n    raise OSError('later')"), "OSError: later"),
        (CARD.replace("[Source, Bins]", "['Bins']"), "'Bins' is not a subclass of ttf.component.Component"),
        (CARD.replace("[Source, Bins]", "[Bins()]"), "is not a subclass of ttf.component.Component"),
        (CARD.replace("[Source, Bins]", "[DataConfig]"), "DataConfig: abstract; it lacks build"),
        (CARD.replace('"bins"] = "bins"', '"bins", "b"] = "bins"'), "Bins: kind must be one literal with itself as"),
        (CARD.replace('"bins"] = "bins"', '"b:c"] = "b:c"'), "Bins: kind 'b:c' must be a word of letters, digits,"),
        (CARD.replace("ge=1)] = 1", "ge=1)]"), "Bins: field 'extra' has no default"),
        (CARD.replace('    "One more."\n', ""), "Bins: field 'extra' has no sentence below it"),
        (CARD.replace("ge=1)] = 1", "ge=1)] = 0"), "Bins: its defaults are not valid: 1 validation error for Bins"),
        (CARD.replace('"Some bins."', 'requires = ("modl",)'), "unknown section 'modl'; did you mean 'model'?"),
        (CARD.replace('"Some bins."', 'slot = "modl"'), "Bins: slot 'modl' is unknown; did you mean 'model'?; known:"),
        (
            CARD.replace('"Some bins."', 'slot = "model"'),
            "Bins: a component of slot 'model' is a subclass of ModelConf",
        ),
        (CARD.replace("@hookimpl\n", ""), "has no hooks; is its function ttf_components marked with @hookimpl?"),
        (CARD.replace("[Source, Bins]", "[Bins, Bins]"), "offers stranger:bins a second time"),
    ],
)
def test_a_broken_plugin_is_listed_with_the_reason_and_the_others_work(
    install: Install, monkeypatch: pytest.MonkeyPatch, code: str, reason: str
) -> None:
    install("broken", code)
    install("sound", CARD, distribution="neighbour")
    monkeypatch.delitem(sys.modules, "broken", raising=False)
    monkeypatch.delitem(sys.modules, "sound", raising=False)
    plugin = only("broken")
    assert plugin.state == "failed"
    assert reason in plugin.reason
    assert "\n" not in plugin.reason
    assert only("sound").state == "loaded"
    assert load_registry().kinds("discretizer") == ["bins"]


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        ("raised = 1", 'it does not declare ttf_api; this is ttf_api = "1"'),
        ("ttf_api = '99'", "written for ttf_api = '99'; this is ttf_api = \"1\""),
        ("ttf_api = 1", 'written for ttf_api = 1; this is ttf_api = "1"'),
    ],
)
def test_a_plugin_for_another_api_is_incompatible_and_its_hooks_are_not_called(
    install: Install, monkeypatch: pytest.MonkeyPatch, code: str, reason: str
) -> None:
    install("other_api", CARD.replace('ttf_api = "1"', code))
    monkeypatch.delitem(sys.modules, "other_api", raising=False)
    assert (only("other_api").state, only("other_api").reason) == ("incompatible", reason)
    assert load_registry().entries == ()


def test_a_plugin_that_says_so_in_its_source_is_not_even_imported_for_another_api(
    install: Install, monkeypatch: pytest.MonkeyPatch
) -> None:
    install("gone", "from ttf.component import WhatIsGone\n\nttf_api: str = '99'\n")
    monkeypatch.delitem(sys.modules, "gone", raising=False)
    plugin = only("gone")
    assert (plugin.state, plugin.api) == ("incompatible", "99")
    assert plugin.reason == "written for ttf_api = '99'; this is ttf_api = \"1\""
    assert "gone" not in sys.modules


def test_the_api_may_be_declared_in_another_module(install: Install) -> None:
    install("api_of_it", 'ttf_api = "1"')
    install("imports_it", CARD.replace('ttf_api = "1"', "from api_of_it import ttf_api"), distribution="other")
    assert (only("imports_it").state, only("imports_it").api) == ("loaded", "1")


def test_damaged_metadata_of_one_distribution_does_not_hide_the_others(install: Install, tmp_path: Path) -> None:
    install("sound_one", CARD, distribution="neighbour")
    info = tmp_path / "site" / "damaged-3.0.dist-info"
    info.mkdir()
    (info / "entry_points.txt").write_text("[ttf]\ndamaged = damaged\nworse = no such: module\n")
    (tmp_path / "site" / "damaged.py").write_text(CARD)
    plugin = only("damaged")
    assert (plugin.distribution, plugin.version, plugin.state) == ("unknown", "unknown", "disabled")
    assert only("worse").state == "disabled"
    assert only("sound_one").state == "loaded"


def test_an_entry_point_that_names_no_module_is_listed_with_the_reason(install: Install, tmp_path: Path) -> None:
    install("sound_two", CARD)
    (tmp_path / "site" / "stranger-1.2.dist-info" / "entry_points.txt").write_text(
        "[ttf]\nsound_two = sound_two\nempty =\nodd = no such: module\nmissing = sound_two:nothing\n"
    )
    states = {plugin.name: plugin for plugin in load_registry().plugins if plugin.distribution == "stranger"}
    assert states["sound_two"].state == "loaded"
    assert {states[name].state for name in ("empty", "odd", "missing")} == {"failed"}
    assert states["missing"].reason == "AttributeError: module 'sound_two' has no attribute 'nothing'"
    assert all(plugin.reason and "\n" not in plugin.reason for plugin in states.values() if plugin.broken)


def test_a_strangers_kind_that_is_a_built_in_one_too_needs_its_distribution(
    install: Install, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    install("shadow", CARD.replace('"bins"', '"quantile"').replace("Source, Bins", "Bins"))
    monkeypatch.setenv("TTF_PLUGINS", "stranger,quantile,minari")
    registry = load_registry()
    assert registry.kinds("discretizer") == ["stranger:quantile", "trajectory-transformer:quantile"]
    file = tmp_path / "r.yaml"
    file.write_text("name: x\ndata: {kind: minari, dataset: a/b-v0}\ndiscretizer: {kind: quantile}\n")
    with pytest.raises(RecipeError) as error:
        load(file, registry)
    assert str(error.value) == (
        f"{file}:3:21: discretizer.kind: 'quantile' is provided by stranger and trajectory-transformer; write "
        "'stranger:quantile' or 'trajectory-transformer:quantile'"
    )
    file.write_text(file.read_text().replace("kind: quantile", "kind: trajectory-transformer:quantile"))
    assert type(load(file, registry).discretizer).__module__ == "ttf_plugins.quantile"


def test_a_keyboard_interrupt_while_a_plugin_loads_is_not_swallowed(install: Install) -> None:
    install("interrupting", "raise KeyboardInterrupt")
    with pytest.raises(KeyboardInterrupt):
        load_registry()


def test_what_a_plugin_prints_while_it_loads_goes_to_stderr(
    install: Install, capsys: pytest.CaptureFixture[str]
) -> None:
    install("printing", "print('hello')\n" + CARD)
    assert only("printing").state == "loaded"
    assert capsys.readouterr() == ("", "hello\n")


def test_ttf_plugins_none_disables_all(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TTF_PLUGINS", "none")
    registry = load_registry()
    assert {plugin.state for plugin in registry.plugins} == {"disabled"}
    assert registry.entries == ()


def test_ttf_plugins_enables_only_those_it_names(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TTF_PLUGINS", "quantile, minari")
    assert {plugin.name for plugin in load_registry().plugins if plugin.state == "loaded"} == {"quantile", "minari"}


def test_ttf_plugins_with_a_name_that_is_not_installed_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TTF_PLUGINS", "quantil")
    with pytest.raises(PluginError) as error:
        load_registry()
    assert str(error.value).startswith(
        "TTF_PLUGINS: no plugin 'quantil' is installed; did you mean 'quantile'?; known:"
    )


def test_two_distributions_may_use_the_same_entry_point_name(install: Install) -> None:
    install("first", CARD, distribution="dist-a", entry_point="same")
    install("second", CARD.replace('"bins"', '"boxes"'), distribution="dist-b", entry_point="same")
    assert load_registry().kinds("discretizer") == ["bins", "boxes"]


def test_a_kind_that_two_plugins_offer_is_an_error_naming_both_and_the_qualified_kind_works(
    install: Install, tmp_path: Path
) -> None:
    install("third", CARD, distribution="dist-a")
    install("fourth", CARD.replace("Source, Bins", "Bins"), distribution="dist-b")
    registry = load_registry()
    file = tmp_path / "r.yaml"
    file.write_text(RECIPE)
    with pytest.raises(RecipeError) as error:
        load(file, registry)
    assert str(error.value) == (
        f"{file}:3:21: discretizer.kind: 'bins' is provided by dist-a and dist-b; write 'dist-a:bins' or 'dist-b:bins'"
    )
    file.write_text(RECIPE.replace("bins", "dist-b:bins, extra: 2").replace("nothing", "dist-a:nothing"))
    recipe = load(file, registry)
    assert recipe.discretizer is not None
    assert recipe.discretizer.kind == "dist-b:bins"
    assert type(recipe.discretizer).__module__ == "fourth"
    file.write_text(dump(recipe))
    assert load(file, registry) == recipe


def test_the_schema_knows_qualified_kinds_and_not_ambiguous_ones(install: Install) -> None:
    from jsonschema import Draft202012Validator

    install("fifth", CARD, distribution="dist-a")
    install("sixth", CARD.replace("Source, Bins", "Bins"), distribution="dist-b")
    validator = Draft202012Validator(recipe_schema(load_registry()))

    def accepts(kind: str) -> bool:
        return validator.is_valid({"name": "x", "data": {"kind": "nothing"}, "discretizer": {"kind": kind}})

    assert [accepts(kind) for kind in ("bins", "dist-a:bins", "dist-b:bins")] == [False, True, True]
    assert not validator.is_valid({"name": "x", "data": {"kind": "nothing"}, "model": {"kind": "gpt"}})
    assert not validator.is_valid({"name": "x", "data": {"kind": "nothing"}, "reporters": [{"kind": "html"}]})


def test_a_recipe_that_names_a_failed_plugin_is_told_why(install: Install, tmp_path: Path) -> None:
    install("seventh", CARD)
    install("boxes", "import no_such_module", distribution="boxes-dist")
    file = tmp_path / "r.yaml"
    file.write_text(RECIPE.replace("bins", "boxes"))
    with pytest.raises(RecipeError) as error:
        load(file, load_registry())
    assert str(error.value) == (
        f"{file}:3:21: discretizer.kind: kind 'boxes' is not available: plugin 'boxes' of boxes-dist 1.2 has failed: "
        "ModuleNotFoundError: No module named 'no_such_module'"
    )


def test_an_unknown_kind_may_be_one_of_a_plugin_that_failed_under_another_name(
    install: Install, tmp_path: Path
) -> None:
    install("eighth", CARD)
    install("pack", "import no_such_module", distribution="pack-dist")
    file = tmp_path / "r.yaml"
    file.write_text(RECIPE.replace("bins", "boxes"))
    with pytest.raises(RecipeError) as error:
        load(file, load_registry())
    assert str(error.value) == (
        f"{file}:3:21: discretizer.kind: unknown kind 'boxes'; known: bins; not there is what plugin 'pack' of "
        "pack-dist 1.2 would offer: see ttf plugins; TTF_PLUGINS leaves plugins out"
    )


def test_without_plugins_no_kind_is_known(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("TTF_PLUGINS", "none")
    file = tmp_path / "r.yaml"
    file.write_text(RECIPE.replace("discretizer", "reporters"))
    with pytest.raises(RecipeError) as error:
        load(file, load_registry())
    assert str(error.value) == (
        f"{file}:2:14: data.kind: unknown kind 'nothing'; known: none; TTF_PLUGINS leaves plugins out\n"
        f"{file}:3:1: reporters: must be a list such as [{{kind: ...}}], found a mapping"
    )
