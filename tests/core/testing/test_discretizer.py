"""The checker of discretizers finds broken ones."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import pytest
from tests.core.testing.broken import MEDDLING, complaint, every_meddling, meddling_in, spoiled

from ttf.component import DiscretizerConfig
from ttf.testing import check_discretizer
from ttf.testing.stand_ins import RanksConfig

if TYPE_CHECKING:
    from ttf.interfaces.discretizer import Discretizer
    from ttf.layout import Layout


def test_a_correct_discretizer_passes() -> None:
    check_discretizer(RanksConfig(bins=8))
    check_discretizer(RanksConfig())


class WrongConfig(DiscretizerConfig):
    """A discretizer with one method that breaks the contract."""

    kind: Literal["wrong"] = "wrong"

    fault: str = ""
    """What is wrong."""

    def build(self, layout: Layout) -> Discretizer:
        discretizer = RanksConfig(bins=self.bins).build(layout)
        encode, decode, expectation = discretizer.encode, discretizer.decode, discretizer.expectation
        outside, fit, widths = discretizer.outside, discretizer.fit, discretizer.widths
        replacements = {
            "float": ("encode", lambda values, at=0: encode(values, at).float()),
            "flat": ("encode", lambda values, at=0: encode(values, at).flatten(0, -2)),
            "beyond": ("encode", lambda values, at=0: encode(values, at) + 1),
            "dead": ("fit", lambda rows: (fit(rows), discretizer.live[:, 0].fill_(False))),
            "int32": ("encode", lambda values, at=0: encode(values, at).int()),
            "modulo": ("encode", lambda values, at=0: (encode(values, at) + 1) % self.bins),
            "at": ("encode", lambda values, at=0: encode(values)),  # noqa: ARG005
            "nan": ("encode", lambda values, at=0: encode(values.nan_to_num(), at)),
            "decode": ("decode", lambda tokens, at=0: decode(tokens, at) + 0.5),
            "stop": ("decode", lambda tokens, at=0: decode(tokens % self.bins, at)),
            "renormalise": ("expectation", lambda p, at: expectation(p / p.sum(-1, keepdim=True), at)),
            "infinite": ("decode", lambda tokens, at=0: decode(tokens, at) / 0),
            "widths": ("widths", lambda: -widths()),
            "tight": ("widths", lambda: widths().float()),
            "none": ("fit", lambda rows: fit(rows) if len(rows) else None),
            "nothing": ("outside", lambda values, at=0: outside(values, at) & False),
            "outside": ("outside", lambda values, at=0: ~outside(values, at)),
            "spoil": ("fit", lambda rows: fit(rows.mul_(2))),
        }
        name, replacement = replacements[self.fault]
        setattr(discretizer, name, replacement)
        return discretizer


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        ("float", "continuous: encode returned torch.float32; expected int64"),
        ("flat", "continuous: encode must take any number of leading dimensions"),
        ("beyond", "continuous: encode returned tokens outside 0 .. 7; clamp them"),
        ("dead", "continuous: encode returned a token that live says is dead"),
        ("infinite", "continuous: decode returned a value that is not finite"),
        ("widths", "continuous: widths must be finite, not negative, and 0 for dead bins"),
        ("tight", "continuous: widths is torch.float32 (7, 8); expected float64 (7, 8)"),
        ("none", "continuous: fit must raise DataError for no rows"),
        ("nothing", "continuous: outside is false of 1e30, far above the data"),
        ("int32", "continuous: encode returned torch.int32; expected int64"),
        ("modulo", "continuous: a larger value got a smaller token; encode must be monotone"),
        ("at", "continuous: encode(x[..., c:c+1], at=c) is not column c"),
        ("nan", "continuous: encode must raise DataError for nan"),
        ("decode", "continuous: encode(decode(token)) is another token; decode into the bin itself"),
        ("stop", "continuous: the stop token must decode as the last live bin"),
        ("renormalise", "continuous: expectation must not renormalise"),
        ("outside", "continuous: outside is true of values that were fitted"),
        ("spoil", "continuous: fit or encode changed its argument; clone what you modify"),
    ],
)
def test_a_broken_discretizer_is_found_out(fault: str, message: str) -> None:
    with pytest.raises(AssertionError) as caught:
        check_discretizer(WrongConfig(fault=fault, bins=8))
    assert str(caught.value) == message


@every_meddling
@pytest.mark.parametrize("method", ["fit", "encode"])
def test_a_discretizer_that_meddles_is_found_out(meddling: str, method: str) -> None:
    config = spoiled(RanksConfig(bins=8), meddling_in(method, meddling))
    assert MEDDLING[meddling][1] in complaint(lambda: check_discretizer(config))
