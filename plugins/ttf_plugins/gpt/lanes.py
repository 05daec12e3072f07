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
from numba.core.cgutils import pack_array
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

    def __init__(self, dtype: Any) -> None:
        self.dtype = dtype
        super().__init__(f"Lanes({dtype})")


@extending.register_model(Lanes)
class LanesModel(models.PrimitiveModel):
    """They are one of LLVM's vectors."""

    def __init__(self, manager: Any, lanes: Lanes) -> None:
        super().__init__(manager, lanes, ir.VectorType(manager.lookup(lanes.dtype).get_value_type(), LANES))


def _address(context: Any, builder: Any, kind: Any, array: Any, first: Any) -> Any:
    """A pointer to lanes of an array (n,), whose numbers follow each other."""
    start = builder.gep(context.make_array(kind)(context, builder, array).data, [first])
    return builder.bitcast(start, context.get_value_type(Lanes(kind.dtype)).as_pointer())


def _places(*indices: int) -> Any:
    """Which lanes a shuffle takes."""
    return ir.Constant(ir.VectorType(ir.IntType(32), len(indices)), list(indices))


@intrinsic
def load(_: Any, array: Any, first: Any) -> Any:
    """The numbers of an array (n,) from the first on; that they are there is the caller's to know."""

    def code(context: Any, builder: Any, _: Any, given: Any) -> Any:
        return builder.load(_address(context, builder, array, *given), align=array.dtype.bitwidth // 8)

    return Lanes(array.dtype)(array, types.intp), code


@intrinsic
def store(_: Any, array: Any, first: Any, lanes: Any) -> Any:
    """Write the numbers of an array (n,) from the first on; that it has a place for them is the caller's to know."""

    def code(context: Any, builder: Any, _: Any, given: Any) -> Any:
        builder.store(given[2], _address(context, builder, array, *given[:2]), align=array.dtype.bitwidth // 8)
        return context.get_dummy_value()

    return types.void(array, types.intp, lanes), code


@intrinsic
def spread(_: Any, number: Any) -> Any:
    """A number in every lane."""

    def code(context: Any, builder: Any, signature: Any, given: Any) -> Any:
        none = ir.Constant(context.get_value_type(signature.return_type), ir.Undefined)
        one = builder.insert_element(none, given[0], ir.IntType(32)(0))
        return builder.shuffle_vector(one, none, _places(*[0] * LANES))

    return Lanes(number)(number), code


def _of_all(instructions: Callable[[Any, Any, Any], Any]) -> Any:
    """What makes a number of all lanes: halves are put together until one is left."""

    @intrinsic
    def made(_: Any, lanes: Any) -> Any:
        def code(_: Any, builder: Any, __: Any, given: Any) -> Any:
            left, count = given[0], LANES
            while count > 1:
                none, count = ir.Constant(left.type, ir.Undefined), count // 2
                halves = _places(*range(count)), _places(*range(count, 2 * count))
                left = instructions(builder, *(builder.shuffle_vector(left, none, half) for half in halves))
            return builder.extract_element(left, ir.IntType(32)(0))

        return lanes.dtype(lanes), code

    return made


total = _of_all(lambda builder, a, b: builder.fadd(a, b))
"""The sum of all lanes."""


@intrinsic
def totals(_: Any, a: Any, b: Any, c: Any, d: Any) -> Any:
    """The sums of all lanes of four, in fewer steps than those of one after the other."""

    def folded(builder: Any, a: Any, b: Any, step: int) -> Any:
        """Lanes whose numbers lack the bit ``step`` have the sum of a's lane and the one ``step`` on, others b's."""
        left = [i if not i & step else LANES + i - step for i in range(LANES)]
        halves = _places(*left), _places(*(i + step for i in left))
        return builder.fadd(*(builder.shuffle_vector(a, b, half) for half in halves))

    def code(_: Any, builder: Any, signature: Any, given: Any) -> Any:
        pairs = folded(builder, given[0], given[1], 1), folded(builder, given[2], given[3], 1)
        left, count = folded(builder, *pairs, 2), LANES
        while count > len(given):
            none, count = ir.Constant(left.type, ir.Undefined), count // 2
            halves = _places(*range(count)), _places(*range(count, 2 * count))
            left = builder.fadd(*(builder.shuffle_vector(left, none, half) for half in halves))
        numbers = [builder.extract_element(left, ir.IntType(32)(i)) for i in range(len(given))]
        return pack_array(builder, numbers)

    return types.UniTuple(a.dtype, 4)(a, b, c, d), code


def _of_two(instructions: Callable[[Any, Any, Any], Any]) -> Any:
    """What makes lanes of two."""

    @intrinsic
    def made(_: Any, a: Any, b: Any) -> Any:
        return a(a, b), lambda _, builder, __, given: instructions(builder, *given)

    return made


def _larger(builder: Any, a: Any, b: Any) -> Any:
    first = builder.or_(builder.fcmp_ordered(">", a, b), builder.fcmp_unordered("uno", a, a))
    return builder.select(first, a, b)


larger = _of_two(_larger)
"""The larger of two, in every lane; what is not a number is larger than any."""

largest = _of_all(_larger)
"""The largest of all lanes; what is not a number is larger than any."""

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
        zero = ir.Constant(given[2].type, [0.0] * LANES)
        return builder.select(builder.fcmp_unordered(">", given[0], given[1]), given[2], zero)

    return lanes(a, b, lanes), code
