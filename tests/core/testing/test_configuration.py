"""What every checker checks of a configuration."""

from __future__ import annotations

from typing import Annotated, Literal

import pytest
from pydantic import ConfigDict, Field, field_validator
from tests.core.testing.broken import complaint

from ttf.component import Component, DiscretizerConfig
from ttf.interfaces.discretizer import Discretizer
from ttf.layout import Layout
from ttf.testing import check_discretizer
from ttf.testing.configuration import check_configuration
from ttf.testing.stand_ins import BagConfig, LinearConfig, RanksConfig


class Base(DiscretizerConfig):
    """Has a build."""

    kind: Literal["base"] = "base"

    def build(self, layout: Layout) -> Discretizer:
        return RanksConfig(bins=self.bins).build(layout)


class Silent(Base):
    scale: Annotated[float, Field(gt=0)] = 1.0


class Required(Base):
    scale: Annotated[float, Field(gt=0)]
    """No default."""


class Unbounded(Base):
    scale: float | None = 1.0
    """Any number."""


class Invalid(Base):
    scale: Annotated[float, Field(gt=0)] = 0.0
    """Its default is out of bounds."""


class Nameless(Base):
    kind: str = "nameless"  # type: ignore[assignment]


class Thawed(Base):
    model_config = ConfigDict(frozen=False)


class Lenient(Base):
    model_config = ConfigDict(strict=False)


class Open(Base):
    model_config = ConfigDict(extra="ignore")


class Unsaved(Base):
    scale: Annotated[float, Field(gt=0, exclude=True)] = 1.0
    """Is left out of recipes."""


class Growing(Base):
    scale: Annotated[float, Field(gt=0)] = 1.0
    """Doubles whenever it is read."""

    @field_validator("scale")
    @classmethod
    def _twice(cls, scale: float) -> float:
        return 2 * scale


class Narrow(Base):
    scale: Annotated[float, Field(gt=0, le=1)] = 0.75
    """Is refused once it has doubled."""

    @field_validator("scale")
    @classmethod
    def _twice(cls, scale: float) -> float:
        return scale * 2


@pytest.mark.parametrize("config", [Base(), RanksConfig(), BagConfig(context=3), LinearConfig(batch_size=7)], ids=repr)
def test_a_correct_configuration_passes(config: Component) -> None:
    check_configuration(config)


@pytest.mark.parametrize(
    ("config", "message"),
    [
        (Silent(), "Silent: field 'scale' has no sentence below it; a field has a default, a bound and a sentence"),
        (Required(scale=1.0), "Required: field 'scale' has no default; a field has a default, a bound and a sentence"),
        (
            Unbounded(),
            "Unbounded: field 'scale' is a number without a bound; write Annotated[int, Field(ge=1, le=1000)]",
        ),
        (Invalid.model_construct(), "Invalid: its defaults are not valid: "),
        (Nameless(), 'Nameless: kind must be one literal with itself as default, as in kind: Literal["x"] = "x"; '),
        (Thawed(), "Thawed: frozen is off; leave model_config alone"),
        (Lenient(), "Lenient: strict is off; leave model_config alone"),
        (Open(), "Open: extra is 'ignore', which takes misspelt fields; leave model_config alone"),
        (Unsaved(scale=3.0), "Unsaved: the recipe that a run saves gives Unsaved("),
        (Growing(scale=3.0), "Growing: the recipe that a run saves gives Growing("),
        (Narrow(), "Narrow: the recipe that a run saves is refused: "),
    ],
    ids=lambda value: type(value).__name__,
)
def test_a_broken_configuration_is_found_out_by_the_checker_of_its_slot(config: Base, message: str) -> None:
    assert complaint(lambda: check_discretizer(config)).startswith(message)
