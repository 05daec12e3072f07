"""Recipe: everything a run is made from, read from a file and checked against the installed components."""

from __future__ import annotations

import json
import re
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar, Union

from pydantic import Field, ValidationError, create_model

from ttf.component import (
    SLOTS,
    AnalysisConfig,
    BaselineConfig,
    Component,
    CriticConfig,
    DataConfig,
    DecoderConfig,
    DiscretizerConfig,
    EnvironmentConfig,
    LauncherConfig,
    ModelConfig,
    ReporterConfig,
)
from ttf.errors import RecipeError
from ttf.overrides import apply_option, apply_override, drop_fields_of_other_kinds, kinds
from ttf.requirements import check_horizon, check_kinds, check_repetitions, check_requirements, check_subgoals
from ttf.section import Section
from ttf.sections import EvaluationConfig, StudyConfig, TrainingConfig
from ttf.source import Place
from ttf.wording import note_validation_errors
from ttf.yaml_source import read_file, read_text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from ttf.registry import Registry
    from ttf.requirements import Components
    from ttf.source import Keys, Source


class Recipe(Section):
    """Everything a run is made from; what is not said takes its default."""

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]*$", max_length=100)]
    """Name of the run folder: letters, digits, `_` and `-`."""

    seed: Annotated[int, Field(ge=0, le=2**32 - 1)] = 0
    """Where all randomness of the run comes from."""

    device: Annotated[str, Field(pattern=r"^(auto|cpu|mps|cuda(:[0-9]{1,3})?)$")] = "auto"
    """Where to compute: `cpu`, `cuda`, `cuda:1`, `mps`; `auto` takes a GPU if there is one."""

    data: DataConfig
    """Where the episodes come from."""

    discretizer: DiscretizerConfig | None = None
    """How a row becomes tokens."""

    model: ModelConfig | None = None
    """The sequence model."""

    critic: CriticConfig | None = None
    """What actions are worth, for decoders that ask."""

    training: TrainingConfig | None = None
    """How the model is trained."""

    decoder: DecoderConfig | None = None
    """The planner."""

    environment: EnvironmentConfig | None = None
    """Where the planner and the baselines act."""

    evaluation: EvaluationConfig | None = None
    """How they are evaluated."""

    baselines: list[BaselineConfig] = Field(default=[], max_length=100)
    """Policies that stand beside the planner in the results."""

    analyses: list[AnalysisConfig] = Field(default=[], max_length=100)
    """Questions asked of the trained run, with the run or later by `ttf analyse`."""

    reporters: list[ReporterConfig] = Field(default=[], max_length=100)
    """What is done with metrics and results; none unless listed."""

    study: StudyConfig | None = None
    """What `ttf ablate` compares; a run does not ask."""

    launcher: LauncherConfig | None = None
    """Where the cells of a study run; a run does not ask."""


C = TypeVar("C", bound=Component)


def named(components: Sequence[C]) -> dict[str, C]:
    """The components of a list by kind; the second of a kind is called ``kind 2``."""
    names: dict[str, C] = {}
    for index, config in enumerate(components):
        number = 1 + sum(earlier.kind == config.kind for earlier in components[:index])
        names[config.kind if number == 1 else f"{config.kind} {number}"] = config
    return names


@lru_cache(maxsize=4)
def recipe_model(registry: Registry) -> type[Recipe]:
    """Recipe, narrowed to the installed components."""
    return narrowed_model({slot: registry.components(slot).values() for slot in SLOTS})


def narrowed_model(kinds: Mapping[str, Iterable[type[Component]]]) -> type[Recipe]:
    """Recipe, narrowed so that each slot is a union of the component classes given for it, told apart by kind."""
    fields: dict[str, Any] = {  # field definitions; create_model is not typed for them
        "training": (TrainingConfig, _narrowed("training")),
        "evaluation": (EvaluationConfig, _narrowed("evaluation")),
        "study": (StudyConfig, _narrowed("study")),
    }
    for slot, (_, several) in SLOTS.items():
        if classes := tuple(kinds[slot]):
            one: Any = Annotated[Union[classes], Field(discriminator="kind")]  # noqa: UP007  (made at run time)
            fields[slot] = (list[one] if several else one, _narrowed(slot))
    narrowed: type[Recipe] = create_model("Recipe", __base__=Recipe, __doc__=Recipe.__doc__, **fields)
    return narrowed


def _narrowed(name: str) -> Any:  # noqa: ANN401  (what pydantic.Field returns)
    """The field without None among its values: a section is there, or it is left out."""
    field = Recipe.model_fields[name]
    default = ... if field.is_required() else field.default
    limits: dict[str, Any] = {"max_length": 100} if isinstance(default, list) else {}
    return Field(default, description=field.description, validate_default=False, **limits)


def load(
    path: str | Path,
    registry: Registry,
    overrides: Iterable[str] = (),
    options: Mapping[str, object] | None = None,
    note: Callable[[str], None] | None = None,
) -> Recipe:
    """Read a recipe file and check all of it.

    Where an override changes a kind, the fields of the file that only the former kind has are dropped.

    Args:
        path: of the file.
        registry: the installed components.
        overrides: such as ``decoder.beam_width=64``; the last of several for a value wins.
        options: such as ``{"seed": 1}``; they win over overrides, and are called ``--seed`` in messages.
        note: told what was dropped, a line for every section.

    Raises:
        RecipeError: something is wrong; the message has a line for every problem, sorted by position.
    """
    return _resolved(read_file(Path(path)), registry, overrides, options or {}, note)


def load_section(
    name: str,
    slot: str,
    fields: Mapping[str, object],
    registry: Registry,
    overrides: Iterable[str] = (),
    note: Callable[[str], None] | None = None,
) -> Recipe:
    """A recipe of one section, checked as a file is; overrides may add others.

    Args:
        name: what the section was made from, for messages.
        slot: the section, such as ``data``.
        fields: its kind and what else it says.
        registry: the installed components.
        overrides: as for :func:`load`.
        note: as for :func:`load`.

    Raises:
        RecipeError: something is wrong.
    """
    text = json.dumps({"name": slot, slot: fields})  # JSON is YAML
    source = read_text(text, lambda line, column: Place(0, line, column, name))
    return _resolved(source, registry, overrides, {}, note)


def _resolved(
    source: Source,
    registry: Registry,
    overrides: Iterable[str],
    options: Mapping[str, object],
    note: Callable[[str], None] | None,
) -> Recipe:
    """The recipe of a source with everything that the command line changes."""
    before, rank = kinds(source), 0
    for rank, override in enumerate(overrides, start=1):
        apply_override(source, override, rank)
    for later, (name, value) in enumerate(options.items(), start=rank + 1):
        apply_option(source, name, value, later)
    components = {slot: registry.components(slot) for slot in SLOTS}
    notes = drop_fields_of_other_kinds(source, before, components)
    recipe = _checked(source, registry, components)
    if note is not None:
        for text in notes:
            note(text)
    return recipe


def parse(text: str, registry: Registry) -> Recipe:
    """The recipe that :func:`dump` has written.

    Raises:
        RecipeError: something is wrong with it here, where other components may be installed.
    """
    source = read_text(text, lambda line, column: Place(0, line, column, f"recipe:{line}:{column}"))
    return _checked(source, registry, {slot: registry.components(slot) for slot in SLOTS})


def _checked(source: Source, registry: Registry, components: Components) -> Recipe:
    if not isinstance(source.data, dict):
        what = "the file is empty" if source.data is None else "must be a mapping"
        source.refuse((), f"{what}; a recipe is a mapping such as 'name: x'", source.start)
    if () in source.refused:
        source.raise_problems()
    check_kinds(source, registry, components)
    check_requirements(source, components)
    check_repetitions(source, registry)
    fields: dict[str, Any] = {}
    try:
        narrowed = recipe_model(registry).model_validate(_without(source.data, source.refused))
        fields = {name: getattr(narrowed, name) for name in Recipe.model_fields}
        check_horizon(source, narrowed)
        check_subgoals(source, narrowed)
    except ValidationError as error:
        note_validation_errors(source, error, components)
    source.raise_problems()
    return Recipe.model_construct(set(narrowed.model_fields_set), **fields)


def _without(data: Any, refused: set[Keys], at: Keys = ()) -> Any:  # noqa: ANN401  (plain data)
    """The data with None for everything that has been refused."""
    if at in refused:
        return None
    if isinstance(data, dict):
        return {key: _without(value, refused, (*at, key)) for key, value in data.items()}
    if isinstance(data, list):
        return [_without(value, refused, (*at, index)) for index, value in enumerate(data)]
    return data


def default_launcher(registry: Registry) -> LauncherConfig:
    """Where cells run if a recipe does not say.

    Raises:
        RecipeError: there is no launcher ``local``.
    """
    kind = "local"
    local = registry.components("launcher").get(kind)
    if local is None or not issubclass(local, LauncherConfig):
        message = f"no launcher {kind!r} is installed; name another one with --set launcher.kind=..."
        raise RecipeError(message)
    return local(kind=kind)


def dump(recipe: Recipe) -> str:
    """The whole recipe as YAML, defaults included; loading it gives an equal recipe."""
    data = recipe.model_dump(mode="json", serialize_as_any=True)
    return "".join(_section(name, value) for name, value in data.items() if value is not None)


def _section(name: str, value: object) -> str:
    if isinstance(value, dict) and value:
        return f"{name}:\n" + "".join(f"  {key}: {_flow(item)}\n" for key, item in value.items())
    if isinstance(value, list) and value:
        return f"{name}:\n" + "".join(f"  - {_flow(item)}\n" for item in value)
    return f"{name}: {_flow(value)}\n"


def _flow(value: object) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{_flow(key)}: {_flow(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(_flow(item) for item in value) + "]"
    if isinstance(value, str):
        return value if _plain(value) else _quoted(value)
    return json.dumps(value)


def _plain(text: str) -> bool:
    words = ("null", "true", "false", "yes", "no", "on", "off", "y", "n")
    return re.fullmatch(r"[A-Za-z][A-Za-z0-9_/-]*", text) is not None and text.lower() not in words


def _quoted(text: str) -> str:
    characters = (c if c.isprintable() else f"\\U{ord(c):08x}" for c in json.dumps(text, ensure_ascii=False))
    return "".join(characters)
