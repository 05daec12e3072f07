"""A study is checked as a whole before anything runs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from ttf.ablate.stage_plan import planned_stages, startable
from ttf.ablate.study import Study, load_study
from ttf.cli.edge import run_cli
from ttf.errors import RecipeError
from ttf.recipe import dump, load
from ttf.stages import Stages
from ttf_plugins.quantile import QuantileConfig
from ttf_plugins.uniform import UniformConfig

if TYPE_CHECKING:
    from ttf.registry import Registry

SMOKE = Path(__file__).parents[3] / "recipes" / "smoke" / "pointmaze_beam_search.yaml"


def study(
    registry: Registry, *swaps: str, seeds: int | None = 2, path: Path = SMOKE, overrides: tuple[str, ...] = ()
) -> Study:
    return load_study(path, registry, overrides, swaps, seeds, lambda _: None)


def test_every_cell_is_a_recipe_with_its_swaps_and_a_trial_for_every_seed(builtin_registry: Registry) -> None:
    made = study(builtin_registry, "discretizer=quantile,uniform", "decoder.beam_width=2,4", overrides=("seed=7",))
    assert made.base == "discretizer=uniform, decoder.beam_width=2", "the cell that the recipe already is"
    assert list(made.cells) == [
        "discretizer=uniform, decoder.beam_width=2",
        "discretizer=quantile, decoder.beam_width=2",
        "discretizer=quantile, decoder.beam_width=4",
        "discretizer=uniform, decoder.beam_width=4",
    ]
    assert [trial.seed for trial in made.trials] == [7, 8] * 4
    for name, trials in made.cells.items():
        for trial in trials:
            assert isinstance(trial.recipe.discretizer, QuantileConfig if "quantile" in name else UniformConfig)
            assert getattr(trial.recipe.decoder, "beam_width", None) == (2 if "=2" in name else 4)
            assert trial.recipe.seed == trial.seed


def test_all_trials_have_the_data_and_the_episodes_of_the_recipe(builtin_registry: Registry) -> None:
    for overrides, data, episodes in (((), 0, 0), (("seed=7",), 7, 7), (("data.seed=3", "evaluation.seed=4"), 3, 4)):
        for trial in study(builtin_registry, "decoder.beam_width=2,4", overrides=overrides).trials:
            assert trial.recipe.evaluation is not None
            assert (trial.recipe.data.seed, trial.recipe.evaluation.seed) == (data, episodes)
    swapped = study(builtin_registry, "data={kind: pointmaze_waypoints, maze: open},{kind: pointmaze_waypoints}")
    assert {trial.recipe.data.seed for trial in swapped.trials} == {0}, "a whole section too"


def test_the_recipe_as_given_is_a_cell_though_no_swap_names_it(builtin_registry: Registry) -> None:
    made = study(builtin_registry, "decoder.beam_width=3,4")
    assert list(made.cells) == ["as given", "decoder.beam_width=3", "decoder.beam_width=4"]
    assert list(study(builtin_registry).cells) == ["as given"]


@pytest.mark.parametrize("given", ["[]", "[{kind: html}]", "[{kind: html}, {kind: jsonl}]", None])
def test_every_trial_records_what_is_compared(builtin_registry: Registry, tmp_path: Path, given: str | None) -> None:
    recipe = tmp_path / "recipe.yaml"
    lines = [line for line in SMOKE.read_text().splitlines() if not line.startswith("reporters")]
    recipe.write_text("\n".join([*lines, *([f"reporters: {given}"] if given else [])]))
    for trial in study(builtin_registry, "decoder.beam_width=2,4", path=recipe).trials:
        assert [reporter.kind for reporter in trial.recipe.reporters].count("jsonl") == 1


def test_what_a_swap_of_kinds_drops_is_said_once_for_every_cell(builtin_registry: Registry, tmp_path: Path) -> None:
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text(SMOKE.read_text().replace("kind: gpt, layers: 1, heads: 2", "kind: gpt, layers: 1, heads: 2"))
    said: list[str] = []
    made = load_study(recipe, builtin_registry, [], ["model=gpt,lstm"], 3, said.append)
    assert said == ["--swap model=gpt,lstm: dropped heads; 'lstm' has no such fields"]
    first = made.cells["model=lstm"][0].recipe.model
    assert first is not None
    assert (first.kind, first.context) == ("lstm", 3)


def test_a_cell_that_is_wrong_is_named_before_anything_runs(builtin_registry: Registry) -> None:
    with pytest.raises(RecipeError, match=r"^--swap model=gpt,lstn: .*did you mean 'lstm'"):
        study(builtin_registry, "model=gpt,lstn")
    with pytest.raises(RecipeError, match=r"^--swap decoder\.beam_with=8: .*beam_width"):
        study(builtin_registry, "decoder.beam_with=8")


def test_cells_that_are_the_same_are_refused(builtin_registry: Registry) -> None:
    same = r"^--swap decoder\.horizon=2,\+2: the cells 'decoder\.horizon=2' and 'decoder\.horizon=\+2' are the same"
    with pytest.raises(RecipeError, match=same):
        study(builtin_registry, "decoder.horizon=2,+2")


def test_all_that_is_wrong_with_the_cells_is_said_at_once(builtin_registry: Registry) -> None:
    with pytest.raises(RecipeError) as caught:
        study(builtin_registry, "decoder.beam_width=two,4,0", "model=gpt,lstn")
    assert [line.partition(";")[0] for line in str(caught.value).splitlines()] == [
        "--swap decoder.beam_width=two,4,0: decoder.beam_width: must be a whole number, found 'two'",
        "--swap decoder.beam_width=two,4,0: decoder.beam_width: must be at least 1, found 0",
        "--swap model=gpt,lstn: model.kind: unknown kind 'lstn'",
    ]


def test_a_field_that_only_some_of_the_swapped_kinds_have_is_said_with_those_that_lack_it(
    builtin_registry: Registry,
) -> None:
    with pytest.raises(RecipeError) as caught:
        study(builtin_registry, "decoder=beam_search,imitation", "decoder.expand=2,4")
    (line,) = str(caught.value).splitlines()
    assert line.startswith("--swap decoder.expand=2,4: with decoder=imitation: decoder.expand: unknown field; known:")
    assert line.endswith("; study.variants can name the combinations that are meant")


def test_all_that_is_wrong_with_a_study_is_said_once_where_it_is_written(
    builtin_registry: Registry, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    recipe = tmp_path / "recipe.yaml"
    section = """study:
  swap: ["decoder.beam_widht=2,4", seed=1]
  variants:
    far:
      - decoder.horizn=3
      - evaluation.seed=4
    as given: []
"""
    first = len(SMOKE.read_text().splitlines())
    recipe.write_text(SMOKE.read_text() + section)
    expected = [
        f"{recipe}:{first + 2}:10: study.swap.0: decoder.beam_widht: unknown field",
        f"{recipe}:{first + 2}:36: study.swap.1: seed is the same in all cells: --seeds says how many",
        f"{recipe}:{first + 5}:9: study.variants.far.0: decoder.horizn: unknown field",
        f"{recipe}:{first + 6}:9: study.variants.far.1: evaluation.seed is the same in all cells: cells are compared",
        f"{recipe}:{first + 7}:5: study.variants.'as given': is the name of the recipe itself",
    ]
    assert run_cli(["validate", str(recipe)]) == 2
    said = capsys.readouterr().err.splitlines()
    assert len(said) == len(expected)
    assert all(line.startswith(start) for line, start in zip(said, expected, strict=True)), said
    with pytest.raises(RecipeError, match=r"^--set study\.swap=\[model=lstn\]: study\.swap\.0: .*did you mean 'lstm'"):
        study(builtin_registry, path=SMOKE, overrides=("study.swap=[model=lstn]",))


def test_a_study_of_nothing_is_refused_and_a_recipe_alone_is_told(builtin_registry: Registry) -> None:
    for empty in ("{}", "{swap: [], variants: {}}"):
        with pytest.raises(RecipeError, match=r": study: compares nothing; say in 'swap' or 'variants'"):
            study(builtin_registry, overrides=(f"study={empty}",))
    said: list[str] = []
    for overrides in ((), ("study.seeds=3",)):
        load_study(SMOKE, builtin_registry, overrides, (), None, said.append)
    assert [line.removeprefix(f"{SMOKE}: ").partition(",")[0] for line in said] == ["nothing is swapped"] * 2


def test_a_recipe_that_evaluates_nothing_cannot_be_compared(builtin_registry: Registry, tmp_path: Path) -> None:
    text = SMOKE.read_text()
    cut = "\n".join(line for line in text.splitlines() if not line.startswith(("environment", "baselines", "evaluat")))
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text(cut)
    with pytest.raises(RecipeError, match="has no 'environment' and 'evaluation' section"):
        study(builtin_registry, "decoder.beam_width=2,4", path=recipe)


def test_a_recipe_can_say_itself_what_is_compared(builtin_registry: Registry, tmp_path: Path) -> None:
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text(
        SMOKE.read_text()
        + 'study:\n  swap: ["decoder.beam_width=2,4"]\n  variants: {near: [], far: [decoder.horizon=3]}\n  seeds: 3\n'
    )
    made = study(builtin_registry, path=recipe, seeds=None)
    assert list(made.cells) == [f"decoder.beam_width={width}, {far}" for width in (2, 4) for far in ("near", "far")]
    assert {len(trials) for trials in made.cells.values()} == {3}
    assert list(study(builtin_registry, "decoder.horizon=3", path=recipe, seeds=1).cells) == [
        "as given",
        "decoder.horizon=3",
    ]
    again = tmp_path / "again.yaml"
    again.write_text(dump(load(recipe, builtin_registry)))
    assert load(again, builtin_registry) == load(recipe, builtin_registry)


def test_what_is_trained_is_known_before_anything_runs(builtin_registry: Registry, tmp_path: Path) -> None:
    made = study(builtin_registry, "discretizer=uniform,quantile", "decoder.beam_width=2,4")
    planned = planned_stages(made.trials, Stages(tmp_path))
    assert [(stage.name, stage.kept, len(stage.trials)) for stage in planned] == [("model", False, 2)] * 4
    assert startable(made.trials, Stages(tmp_path)) == [stage.trials[0] for stage in planned]


def test_lists_of_kinds_say_how_they_are_written(builtin_registry: Registry) -> None:
    with pytest.raises(RecipeError) as caught:
        study(builtin_registry, "analyses=attention,[{kind: discretizer}]")
    assert str(caught.value).endswith(": analyses: must be a list such as [{kind: attention}], found 'attention'")


def test_an_option_of_a_study_that_is_wrong_is_named(builtin_registry: Registry, tmp_path: Path) -> None:
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text(SMOKE.read_text() + "study: {seeds: 0, swaps: []}\nlauncher: {kind: locl}\n")
    with pytest.raises(RecipeError) as caught:
        load(recipe, builtin_registry)
    assert "study.seeds" in str(caught.value)
    assert "study.swaps: unknown field; did you mean 'swap'" in str(caught.value)
    assert "did you mean 'local'" in str(caught.value)
