"""Several numbers at once in Numba's machine code, for loops over few numbers.

Numba's compiler finds loops over many numbers that it can do at once, and takes what is left over one by one. Where a
row looks at a few tokens all is left over, so that loops here say what is done at once. Numba looks for changes in the
file of each loop only: ``BUILT_ON`` there has to change with the files that it is built on.
"""

from __future__ import annotations

import operator
from typing import TYPE_CHECKING, Any, TypeVar, cast

from llvmlite import ir
from numba import extending, njit
from numba.core import types
from numba.core.cgutils import pack_array, unpack_tuple
from numba.core.codegen import get_host_cpu_features
from numba.core.datamodel import models

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np
    from numpy.typing import NDArray

    Numbers = NDArray[Any]
    """What loops work with, of the model's type: float32 or float64."""

    Indices = NDArray[np.int64]

LANES = 16
"""Numbers that are done at once; a processor whose registers hold fewer takes several of them."""

MANY = 2 * LANES if "+avx512f" in get_host_cpu_features() else LANES
"""Numbers that are done at once where one number meets them all, which is then read once for two of the registers."""

Loops = TypeVar("Loops")


def compiled(loops: Loops) -> Loops:
    """Loops as machine code, which is made at their first call or was by an earlier process.

    Sums may be taken in any order, as those of matrix products are.
    """
    made: Any = njit(cache=True, nogil=True, fastmath={"contract", "reassoc"}, error_model="numpy")  # partially typed
    return cast("Loops", made(loops))


intrinsic: Any = extending.intrinsic  # its types are partial, as all of Numba's
"""A function that says what it makes of types, and with which instructions."""


class Lanes(types.Type):
    """So many numbers of a type."""

    def __init__(self, dtype: Any, count: int = LANES) -> None:
        self.dtype, self.count = dtype, count
        super().__init__(f"Lanes({dtype}, {count})")


@extending.register_model(Lanes)
class LanesModel(models.PrimitiveModel):
    """They are one of LLVM's vectors."""

    def __init__(self, manager: Any, lanes: Lanes) -> None:
        super().__init__(manager, lanes, ir.VectorType(manager.lookup(lanes.dtype).get_value_type(), lanes.count))


def _address(context: Any, builder: Any, lanes: Lanes, kind: Any, array: Any, first: Any) -> Any:
    """A pointer to lanes of an array (n,), whose numbers follow each other."""
    start = builder.gep(context.make_array(kind)(context, builder, array).data, [first])
    return builder.bitcast(start, context.get_value_type(lanes).as_pointer())


def _row_addresses(context: Any, builder: Any, kind: Any, array: Any) -> list[Any]:
    """Pointers to lanes of the first rows of an array (LANES, n)."""
    made = context.make_array(kind)(context, builder, array)
    start, stride = builder.bitcast(made.data, ir.IntType(8).as_pointer()), unpack_tuple(builder, made.strides)[0]
    pointer = context.get_value_type(Lanes(kind.dtype)).as_pointer()
    places = (builder.gep(start, [builder.mul(stride, stride.type(i))]) for i in range(LANES))
    return [builder.bitcast(place, pointer) for place in places]


def _places(*indices: int) -> Any:
    """Which lanes a shuffle takes."""
    return ir.Constant(ir.VectorType(ir.IntType(32), len(indices)), list(indices))


def _loading(lanes: Lanes, array: Any) -> Any:
    """What loads lanes of an array, given from where."""

    def code(context: Any, builder: Any, _: Any, given: Any) -> Any:
        return builder.load(_address(context, builder, lanes, array, *given[:2]), align=array.dtype.bitwidth // 8)

    return code


@intrinsic
def load(_: Any, array: Any, first: Any) -> Any:
    """The numbers of an array (n,) from the first on; that they are there is the caller's to know."""
    lanes = Lanes(array.dtype)
    return lanes(array, types.intp), _loading(lanes, array)


@intrinsic
def load_like(_: Any, array: Any, first: Any, like: Any) -> Any:
    """As many of them as there are in other lanes."""
    return like(array, types.intp, like), _loading(like, array)


@intrinsic
def store(_: Any, array: Any, first: Any, lanes: Any) -> Any:
    """Write the numbers of an array (n,) from the first on; that it has a place for them is the caller's to know."""

    def code(context: Any, builder: Any, _: Any, given: Any) -> Any:
        builder.store(given[2], _address(context, builder, lanes, array, *given[:2]), align=array.dtype.bitwidth // 8)
        return context.get_dummy_value()

    return types.void(array, types.intp, lanes), code


def _spread(context: Any, builder: Any, signature: Any, given: Any) -> Any:
    """The code that fills lanes."""
    lanes = signature.return_type
    none = ir.Constant(context.get_value_type(lanes), ir.Undefined)
    one = builder.insert_element(none, given[0], ir.IntType(32)(0))
    return builder.shuffle_vector(one, none, _places(*[0] * lanes.count))


@intrinsic
def spread(_: Any, number: Any) -> Any:
    """A number in every lane."""
    return Lanes(number)(number), _spread


@intrinsic
def spread_many(_: Any, number: Any) -> Any:
    """A number in MANY lanes."""
    return Lanes(number, MANY)(number), _spread


@intrinsic
def spread_like(_: Any, number: Any, like: Any) -> Any:
    """A number in as many lanes as others have."""
    return like(number, like), _spread


def _of_all(instructions: Callable[[Any, Any, Any], Any]) -> Any:
    """What makes a number of all lanes: halves are put together until one is left."""

    @intrinsic
    def made(_: Any, lanes: Any) -> Any:
        def code(_: Any, builder: Any, __: Any, given: Any) -> Any:
            left, count = given[0], lanes.count
            while count > 1:
                none, count = ir.Constant(left.type, ir.Undefined), count // 2
                halves = _places(*range(count)), _places(*range(count, 2 * count))
                left = instructions(builder, *(builder.shuffle_vector(left, none, half) for half in halves))
            return builder.extract_element(left, ir.IntType(32)(0))

        return lanes.dtype(lanes), code

    return made


total = _of_all(lambda builder, a, b: builder.fadd(a, b))
"""The sum of all lanes."""


def _mixed(builder: Any, a: Any, b: Any, step: int) -> tuple[Any, Any]:
    """Of two: lanes whose numbers lack the bit ``step`` of a, and those ``step`` before of b; the other halves."""
    left = [i if not i & step else LANES + i - step for i in range(LANES)]
    halves = _places(*left), _places(*(i + step for i in left))
    return builder.shuffle_vector(a, b, halves[0]), builder.shuffle_vector(a, b, halves[1])


@intrinsic
def totals(_: Any, a: Any, b: Any, c: Any, d: Any) -> Any:
    """The sums of all lanes of four, in fewer steps than those of one after the other."""

    def code(_: Any, builder: Any, signature: Any, given: Any) -> Any:
        left, right = (builder.fadd(*_mixed(builder, a, b, 1)) for a, b in (given[:2], given[2:]))
        left, count = builder.fadd(*_mixed(builder, left, right, 2)), LANES
        while count > len(given):
            none, count = ir.Constant(left.type, ir.Undefined), count // 2
            halves = _places(*range(count)), _places(*range(count, 2 * count))
            left = builder.fadd(*(builder.shuffle_vector(left, none, half) for half in halves))
        numbers = [builder.extract_element(left, ir.IntType(32)(i)) for i in range(len(given))]
        return pack_array(builder, numbers)

    return types.UniTuple(a.dtype, 4)(a, b, c, d), code


@intrinsic
def cross(_: Any, rows: Any, out: Any) -> Any:
    """Write rows (LANES, LANES) as columns (LANES, LANES); the numbers of a row follow each other."""

    def code(context: Any, builder: Any, _: Any, given: Any) -> Any:
        places = [_row_addresses(context, builder, *each) for each in zip((rows, out), given, strict=True)]
        lanes = [builder.load(place, align=rows.dtype.bitwidth // 8) for place in places[0]]
        step = 1
        while step < LANES:
            for i in range(LANES):
                if not i & step:
                    lanes[i], lanes[i + step] = _mixed(builder, lanes[i], lanes[i + step], step)
            step *= 2
        for place, each in zip(places[1], lanes, strict=True):
            builder.store(each, place, align=out.dtype.bitwidth // 8)
        return context.get_dummy_value()

    return types.void(rows, out), code


def _of_two(instructions: Callable[[Any, Any, Any], Any]) -> Any:
    """What makes lanes of two."""

    @intrinsic
    def made(_: Any, a: Any, b: Any) -> Any:
        return a(a, b), lambda _, builder, __, given: instructions(builder, *given)

    return made


def _larger(builder: Any, a: Any, b: Any) -> Any:
    return builder.select(builder.fcmp_ordered(">", a, b), a, b)


larger = _of_two(_larger)
"""The larger of two, in every lane; the second where one is not a number."""

largest = _of_all(_larger)
"""The largest of all lanes; undefined where one is not a number."""

smaller = _of_two(lambda builder, a, b: builder.select(builder.fcmp_ordered("<", a, b), a, b))
"""The smaller of two, in every lane; the second where one is not a number."""

_added = _of_two(lambda builder, a, b: builder.fadd(a, b, flags=("contract",)))
_less = _of_two(lambda builder, a, b: builder.fsub(a, b, flags=("contract",)))
_times = _of_two(lambda builder, a, b: builder.fmul(a, b, flags=("contract",)))
_over = _of_two(lambda builder, a, b: builder.fdiv(a, b))


def _operator(does: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
    """What Numba asks for the code of an operator for two types."""
    return lambda a, b: (lambda a, b: does(a, b)) if isinstance(a, Lanes) and a == b else None  # noqa: PLW0108


for _name, _does in (("add", _added), ("sub", _less), ("mul", _times), ("truediv", _over)):
    extending.overload(getattr(operator, _name))(_operator(_does))


@intrinsic
def where_larger(_: Any, a: Any, b: Any, lanes: Any) -> Any:
    """Lanes where a is larger than b or not a number, and zero elsewhere."""

    def code(_: Any, builder: Any, __: Any, given: Any) -> Any:
        zero = ir.Constant(given[2].type, [0.0] * lanes.count)
        return builder.select(builder.fcmp_unordered(">", given[0], given[1]), given[2], zero)

    return lanes(a, b, lanes), code
