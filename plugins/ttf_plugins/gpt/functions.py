"""Exponentials, and GELU, of several numbers at once: polynomials as precise as float32 is."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
from llvmlite import ir
from numba import extending
from numba.core import types
from numba.core.cgutils import get_or_insert_function
from numpy.polynomial import chebyshev

from ttf_plugins.gpt.lanes import LANES, intrinsic, larger, smaller, spread, where_larger

if TYPE_CHECKING:
    from collections.abc import Sequence


def _of_each(name: str) -> Any:
    """A function of LLVM's, of every lane."""

    @intrinsic
    def made(_: Any, lanes: Any) -> Any:
        def code(_: Any, builder: Any, __: Any, given: Any) -> Any:
            kind = ir.FunctionType(given[0].type, [given[0].type])
            full = f"llvm.{name}.v{LANES}f{lanes.dtype.bitwidth}"
            return builder.call(get_or_insert_function(builder.module, kind, full), given)

        return lanes(lanes), code

    return made


_floor, _exp = _of_each("floor"), _of_each("exp")


@intrinsic
def _power_of_two(_: Any, lanes: Any) -> Any:
    """2 ** n for float32 numbers n that are whole and can be exponents."""

    def code(_: Any, builder: Any, __: Any, given: Any) -> Any:
        whole = ir.VectorType(ir.IntType(32), LANES)
        exponent = builder.add(builder.fptosi(given[0], whole), ir.Constant(whole, [127] * LANES))
        return builder.bitcast(builder.shl(exponent, ir.Constant(whole, [23] * LANES)), given[0].type)

    return lanes(lanes), code


def _polynomial(coefficients: Sequence[float]) -> Any:
    """A polynomial of every lane; the coefficient of the highest power comes first."""

    @intrinsic
    def made(_: Any, lanes: Any) -> Any:
        def code(_: Any, builder: Any, __: Any, given: Any) -> Any:
            sums, *others = (ir.Constant(given[0].type, [float(each)] * LANES) for each in coefficients)
            for each in others:
                sums = builder.fadd(builder.fmul(sums, given[0], flags=("contract",)), each, flags=("contract",))
            return sums

        return lanes(lanes), code

    return made


_exp_of_rest = _polynomial(
    [1.9875691500e-4, 1.3981999507e-3, 8.3334519073e-3, 4.1665795894e-2, 1.6666665459e-1, 5.0000001201e-1]
)
"""What exp(x), for x from -log(2) / 2 to log(2) / 2, has beside 1 + x, as a share of x * x (Cephes, Moshier 1989)."""


@extending.register_jitable
def _float32_exponential(given: Any) -> Any:
    """Exponentials of float32 numbers up to 0, to their precision.

    A polynomial takes what is left of a number without whole multiples of log 2. From -87 on they are zero, as products
    with what is smaller are slow.
    """
    least = spread(np.float32(-87))
    x = larger(least, given)  # which stays what it is where it is not a number
    n = _floor(x * spread(np.float32(1.44269504)) + spread(np.float32(0.5)))
    x = x - n * spread(np.float32(0.693359375)) + n * spread(np.float32(2.12194440e-4))
    return where_larger(given, least, (_exp_of_rest(x) * x * x + x + spread(np.float32(1))) * _power_of_two(n))


def exponential(x: Any) -> Any:
    """Exponentials of lanes of numbers up to 0."""
    raise NotImplementedError  # outside machine code there are no lanes


@extending.overload(exponential, strict=False)
def _exponential(x: Any) -> Any:
    return (lambda x: _float32_exponential(x)) if x.dtype == types.float32 else (lambda x: _exp(x))  # noqa: PLW0108


_DENSITY = 1 / math.sqrt(2 * math.pi)
"""Of a normal distribution, where it is highest."""

_REACH = 5.3
"""Numbers whose GELU is theirs, and that of its negative zero, to the precision of float32."""


def _erf_share(squares: Any) -> Any:
    """erf(x / sqrt(2)) / x for those x from 0 to _REACH whose squares, made to go from -1 to 1, are given."""
    x = np.sqrt((squares + 1) / 2) * _REACH
    return np.vectorize(math.erf)(x / math.sqrt(2)) / x


_erf_of_square = _polynomial(chebyshev.cheb2poly(chebyshev.chebinterpolate(_erf_share, 15))[::-1].tolist())


@extending.register_jitable
def _float32_chance(x: Any) -> Any:
    """How much of a normal distribution lies below x."""
    near = larger(smaller(x, spread(np.float32(_REACH))), spread(np.float32(-_REACH)))
    share = _erf_of_square(near * near * spread(np.float32(2 / _REACH**2)) - spread(np.float32(1)))
    return near * share * spread(np.float32(0.5)) + spread(np.float32(0.5))


@extending.register_jitable
def _float32_gelu(x: Any) -> Any:
    """The GELU of float32 numbers; its error is at most 2e-7 times the number, of which PyTorch's is twice."""
    return where_larger(x, spread(np.float32(-_REACH)), x * _float32_chance(x))


@extending.register_jitable
def _float32_gelu_and_slope(x: Any) -> Any:
    chance = _float32_chance(x)
    density = _float32_exponential(x * x * spread(np.float32(-0.5))) * spread(np.float32(_DENSITY))
    return where_larger(x, spread(np.float32(-_REACH)), x * chance), chance + x * density


@intrinsic
def _erf(_: Any, lanes: Any) -> Any:
    """The error function of float64 numbers, one by one."""

    def code(_: Any, builder: Any, __: Any, given: Any) -> Any:
        (lanes,) = given
        kind = ir.FunctionType(lanes.type.element, [lanes.type.element])
        function = get_or_insert_function(builder.module, kind, "erf")
        for place in map(ir.IntType(32), range(LANES)):
            number = builder.call(function, [builder.extract_element(lanes, place)])
            lanes = builder.insert_element(lanes, number, place)
        return lanes

    return lanes(lanes), code


@extending.register_jitable
def _float64_chance(x: Any) -> Any:
    return _erf(x * spread(math.sqrt(0.5))) * spread(0.5) + spread(0.5)


@extending.register_jitable
def _float64_gelu(x: Any) -> Any:
    return x * _float64_chance(x)


@extending.register_jitable
def _float64_gelu_and_slope(x: Any) -> Any:
    chance = _float64_chance(x)
    return x * chance, chance + x * _exp(x * x * spread(-0.5)) * spread(_DENSITY)


def gelu(x: Any) -> Any:
    """The GELU of lanes of numbers."""
    raise NotImplementedError


@extending.overload(gelu, strict=False)
def _gelu(x: Any) -> Any:
    return (lambda x: _float32_gelu(x)) if x.dtype == types.float32 else (lambda x: _float64_gelu(x))  # noqa: PLW0108


def gelu_and_slope(x: Any) -> Any:
    """The GELU of lanes of numbers, and its derivative."""
    raise NotImplementedError


@extending.overload(gelu_and_slope, strict=False)
def _gelu_and_slope(x: Any) -> Any:
    if x.dtype == types.float32:
        return lambda x: _float32_gelu_and_slope(x)  # noqa: PLW0108
    return lambda x: _float64_gelu_and_slope(x)  # noqa: PLW0108
