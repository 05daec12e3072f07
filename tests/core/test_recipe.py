from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ttf.errors import RecipeError
from ttf.recipe import Recipe, dump, load
from ttf.yaml_source import MAX_BYTES

if TYPE_CHECKING:
    from ttf.registry import Registry

FULL = Path(__file__).parents[1] / "corpus" / "good" / "full.yaml"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "r.yaml"


def refusal(path: Path, registry: Registry, *overrides: str) -> str:
    with pytest.raises(RecipeError) as error:
        load(path, registry, overrides)
    assert error.value.exit_code == 2
    return str(error.value).replace(str(path), path.name)


def loaded(registry: Registry, *overrides: str) -> Recipe:
    return load(FULL, registry, overrides)


def test_a_loaded_recipe_holds_the_components_own_classes(builtin_registry: Registry) -> None:
    recipe = loaded(builtin_registry)
    assert type(recipe) is Recipe
    discretizer = builtin_registry.components("discretizer")["quantile"]
    assert recipe.discretizer == discretizer.model_validate({"bins": 50})
    assert recipe == loaded(builtin_registry)


def test_a_missing_file_is_one_line(tmp_path: Path, builtin_registry: Registry) -> None:
    assert refusal(tmp_path / "no.yaml", builtin_registry) == "no.yaml: no such file"


def test_a_directory_is_refused(tmp_path: Path, builtin_registry: Registry) -> None:
    assert refusal(tmp_path, builtin_registry).endswith(": is a directory; expected a recipe file")


def test_a_fifo_is_refused_without_waiting_for_it(file: Path, builtin_registry: Registry) -> None:
    os.mkfifo(file)
    assert refusal(file, builtin_registry) == "r.yaml: is not a regular file; expected a recipe file"


def test_a_nul_in_the_file_name_is_refused(builtin_registry: Registry) -> None:
    assert refusal(Path("a\0b.yaml"), builtin_registry) == "'a\\x00b.yaml': embedded null byte"


def test_a_name_longer_than_the_system_allows_is_refused(builtin_registry: Registry) -> None:
    assert refusal(Path("x" * 5000), builtin_registry).endswith(": File name too long")


def test_a_file_of_ten_megabytes_is_refused_at_once(file: Path, builtin_registry: Registry) -> None:
    file.write_bytes(b"# " + b"x" * 10_000_000)
    assert refusal(file, builtin_registry) == "r.yaml: larger than 256 KiB; a recipe is a small file"


def test_a_file_of_exactly_the_largest_size_is_read(file: Path, builtin_registry: Registry) -> None:
    text = "name: x\ndata: {kind: minari}\n# "
    file.write_text(text + "x" * (MAX_BYTES - len(text)))
    assert load(file, builtin_registry).name == "x"


def test_a_recipe_of_very_many_values_is_refused(file: Path, builtin_registry: Registry) -> None:
    file.write_text("x: [" + "1," * 20_000 + "]\n")
    assert refusal(file, builtin_registry) == "r.yaml:1:19999: more than 10000 values; a recipe is a small file"


def test_an_override_changes_a_value(builtin_registry: Registry) -> None:
    recipe = loaded(builtin_registry, "decoder.horizon=7", "seed=0x10", "training.learning_rate=1e-3", "name=other")
    assert recipe.decoder is not None
    assert recipe.training is not None
    assert recipe.decoder.model_dump()["horizon"] == 7
    assert (recipe.seed, recipe.training.learning_rate, recipe.name) == (16, 1e-3, "other")


def test_an_override_replaces_a_section_or_an_item_of_a_list(builtin_registry: Registry) -> None:
    recipe = loaded(builtin_registry, "discretizer={kind: uniform, bins: 7}", "reporters=[]", "baselines.1.kind=random")
    assert recipe.discretizer is not None
    assert (recipe.discretizer.kind, recipe.discretizer.bins) == ("uniform", 7)
    assert recipe.reporters == []
    assert [baseline.kind for baseline in recipe.baselines] == ["random", "random"]


def test_an_override_one_past_the_end_appends(builtin_registry: Registry) -> None:
    recipe = loaded(builtin_registry, "reporters=[]", "reporters.0={kind: html}", "reporters.1.kind=jsonl")
    assert [reporter.kind for reporter in recipe.reporters] == ["html", "jsonl"]


def test_an_override_makes_the_section_it_needs(file: Path, builtin_registry: Registry) -> None:
    file.write_text("name: x\ndata: {kind: minari}\n")
    recipe = load(file, builtin_registry, ["environment.kind=gymnasium", "environment.options.render_mode=rgb_array"])
    assert recipe.environment is not None
    assert recipe.environment.model_dump()["options"] == {"render_mode": "rgb_array"}


def test_an_override_repairs_what_the_file_has_wrong(file: Path, builtin_registry: Registry) -> None:
    file.write_text("name: x\ndata: {kind: minary, discount: 7}\n")
    assert load(file, builtin_registry, ["data.kind=minari", "data.discount=0.5"]).data.discount == 0.5


def test_the_last_override_of_a_value_wins(builtin_registry: Registry) -> None:
    assert loaded(builtin_registry, "seed=1", "seed=2").seed == 2


@pytest.mark.parametrize(
    ("override", "message"),
    [
        (
            "decoder.widht=3",
            "decoder.widht: unknown field; did you mean 'beam_width'?; known: actions, beam_width, context, "
            "cuda_graph, deadline_ms, expand, horizon, k_act, kind, memory, observation_top_p, plan_every, precision, "
            "reference_cdf, speculate, stop, subgoal_temperature, temperature, top_p, window",
        ),
        ("decoder.horizon=0", "decoder.horizon: must be at least 1, found 0"),
        ("decoder.horizon=true", "decoder.horizon: must be a whole number, found true"),
        ("decoder.temperature=.inf", "decoder.temperature: must be a finite number, found .inf"),
        ("decoder.horizon=", "decoder.horizon: must be a whole number, found nothing"),
        (
            "discretizer.kind=quantil",
            "discretizer.kind: unknown kind 'quantil'; did you mean 'quantile'?; known: quantile, uniform",
        ),
        ("seed", "must be written as path=value"),
        ("=3", "must be written as path=value"),
        ("a..b=3", "must be written as path=value"),
        ("seed.x=3", "seed is not a section, so it has no 'x'"),
        ("reporters.5.kind=html", "reporters: no item '5' in a list of 2"),
        ("reporters.-1.kind=html", "reporters: no item '-1' in a list of 2"),
        ("reporters.\N{SUPERSCRIPT TWO}.kind=html", "reporters: no item '\N{SUPERSCRIPT TWO}' in a list of 2"),
        ("name=&a x", "name: anchors are not allowed"),
        ("name=!!str x", "name: tags are not allowed"),
        ("decoder={kind: beam_search, kind: x}", "decoder.kind: duplicate key"),
        ("decoder={kind: beam_search", "not YAML: expected ',' or '}', but got '<stream end>'"),
    ],
)
def test_a_bad_override_is_reported_as_the_option_it_was(
    builtin_registry: Registry, override: str, message: str
) -> None:
    assert refusal(FULL, builtin_registry, override) == f"--set {override}: {message}"


def loaded_with_notes(path: Path, registry: Registry, *overrides: str) -> tuple[Recipe, list[str]]:
    notes: list[str] = []
    return load(path, registry, overrides, note=notes.append), notes


def test_a_swapped_kind_keeps_the_fields_it_has_and_says_what_it_dropped(
    file: Path, builtin_registry: Registry
) -> None:
    file.write_text(
        "name: x\ndata: {kind: minari}\ndiscretizer: {kind: uniform}\ntraining: {}\n"
        "model: {kind: gpt, layers: 3, value_leak: blocked, heads: 2, width: 32, context: 7}\n"
    )
    recipe, notes = loaded_with_notes(file, builtin_registry, "model.width=16", "model.kind=lstm")
    lstm = builtin_registry.components("model")["lstm"]
    assert recipe.model == lstm.model_validate({"layers": 3, "width": 16, "context": 7})
    assert notes == ["--set model.kind=lstm: dropped value_leak, heads; 'lstm' has no such fields"]
    assert "heads" not in dump(recipe)


def test_a_kind_is_swapped_in_a_list_too(file: Path, builtin_registry: Registry) -> None:
    file.write_text("name: x\ndata: {kind: minari}\nreporters: [{kind: jsonl}, {kind: gone, pages: 3}]\n")
    recipe, notes = loaded_with_notes(file, builtin_registry, "reporters.1.kind=html")
    assert [reporter.kind for reporter in recipe.reporters] == ["jsonl", "html"]
    assert notes == ["--set reporters.1.kind=html: dropped pages; 'html' has no such fields"]


def test_nothing_is_dropped_or_said_where_the_new_kind_has_all_fields(builtin_registry: Registry) -> None:
    recipe, notes = loaded_with_notes(FULL, builtin_registry, "discretizer.kind=uniform", "model.kind=gpt")
    assert recipe.discretizer is not None
    assert (recipe.discretizer.kind, recipe.discretizer.bins) == ("uniform", 50)
    assert notes == []


def test_a_field_that_was_set_itself_is_not_dropped(builtin_registry: Registry) -> None:
    assert refusal(FULL, builtin_registry, "model.heads=4", "model.kind=lstm") == (
        "--set model.heads=4: model.heads: unknown field; known: context, dropout, kind, layers, width"
    )


@pytest.mark.parametrize("kind", ["lstm", "gpt"])
def test_a_misspelt_field_is_not_dropped_with_the_kind(file: Path, builtin_registry: Registry, kind: str) -> None:
    file.write_text(FULL.read_text().replace("width: 32", "widht: 32"))
    message = refusal(file, builtin_registry, f"model.kind={kind}")
    assert message.startswith("r.yaml:5:41: model.widht: unknown field; did you mean 'width'?; known: ")
    assert "\n" not in message


def test_an_unknown_kind_drops_nothing(builtin_registry: Registry) -> None:
    assert refusal(FULL, builtin_registry, "model.kind=lstn") == (
        "--set model.kind=lstn: model.kind: unknown kind 'lstn'; did you mean 'lstm'?; known: gpt, lstm, markov"
    )


def test_problems_of_overrides_come_after_those_of_the_file(file: Path, builtin_registry: Registry) -> None:
    file.write_text("name: x\nseed: -1\ndata: {kind: minari}\n")
    assert refusal(file, builtin_registry, "device=gpu", "name=3") == (
        "r.yaml:2:7: seed: must be at least 0, found -1\n"
        "--set device=gpu: device: must be of the form ^(auto|cpu|mps|cuda(:[0-9]{1,3})?)$, found 'gpu'\n"
        "--set name=3: name: must be text, found 3"
    )


def test_a_dump_says_every_default_and_leaves_out_absent_sections(file: Path, builtin_registry: Registry) -> None:
    file.write_text("name: x\ndata: {kind: minari, terminal_penalty: -100}\nreporters: [{kind: html}]\n")
    assert dump(load(file, builtin_registry)) == (
        "name: x\nseed: 0\ndevice: auto\n"
        "data:\n  kind: minari\n  best_fraction: 1.0\n  discount: 0.99\n  terminal_penalty: -100.0\n"
        "  reward_scale: 1.0\n  reward_shift: 0.0\n"
        "  goal: null\n  subgoal: null\n  observation_dims: null\n  stride: 1\n  stride_action: first\n  seed: null\n"
        '  dataset: "D4RL/pointmaze/medium-v2"\n  download: false\n  observation_keys: null\n'.replace('"', "")
        + "baselines: []\nanalyses: []\nreporters:\n  - {kind: html}\n"
    )


OPTIONS = st.dictionaries(
    st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=5),
    st.recursive(
        st.booleans()
        | st.integers(-(10**20), 10**20)
        | st.floats(allow_nan=False, allow_infinity=False)
        | st.text(st.characters(exclude_categories=["Cs", "Cc"]))
        | st.sampled_from(["no", "1e5", ".5e3", "2026-11-22", "~", "null", "a: b", "#", "0x1", "-", "<<", "1_000"]),
        lambda children: st.lists(children, max_size=3),
        max_leaves=5,
    ),
    max_size=3,
)


@settings(deadline=None)
@given(options=OPTIONS)
def test_any_option_survives_dump_and_load(
    options: dict[str, object], builtin_registry: Registry, tmp_path_factory: pytest.TempPathFactory
) -> None:
    environment = builtin_registry.components("environment")["gymnasium"].model_validate({"options": options})
    recipe = loaded(builtin_registry).model_copy(update={"environment": environment})
    copy = tmp_path_factory.mktemp("dump") / "r.yaml"
    copy.write_text(dump(recipe), encoding="utf-8")
    assert load(copy, builtin_registry) == recipe
