"""Attention of rows to keys and values that are stored once for all rows that share them, on one processor core.

A batch of matrix products would need the keys copied for every row, or the queries gathered for every stored row, and
its matrices are small; these loops read keys and values where they lie. Numba makes machine code of them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar, cast

import numba
import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Numbers = NDArray[Any]
    """Of the model's type: float32 or float64."""

    Indices = NDArray[np.int64]

Loops = TypeVar("Loops")

SEGMENTS = 4
"""Segments that rows look into at most: the loops are compiled for just as many, of which the first may be empty."""


def compiled(loops: Loops) -> Loops:
    """Loops as machine code, which is made at their first call or was by an earlier process.

    Sums may be taken in any order, as those of matrix products are.
    """
    made: Any = numba.njit(cache=True, fastmath={"contract", "reassoc"}, error_model="numpy")  # its types are partial
    return cast("Loops", made(loops))


@compiled
def _store(qkv: Numbers, kept: Indices, keys: Numbers, values: Numbers, start: int) -> None:
    """Write keys (R, heads, size, capacity) and values (R, heads, capacity, size) of new tokens, the first at start."""
    rows, _, _, heads, size = qkv.shape
    for r in range(rows):
        for h in range(heads):
            k, v = keys[r, h], values[r, h]
            for i in range(len(kept)):
                for d in range(size):
                    k[d, start + i] = qkv[r, kept[i], 1, h, d]
                    v[start + i, d] = qkv[r, kept[i], 2, h, d]


@compiled
def _scores(
    qkv: Numbers,
    keys: Numbers,
    reads: Indices,
    order: Indices,
    first: int,
    filled: int,
    seen: Indices,
    scores: Numbers,
) -> None:
    """Write products of queries and the keys of one segment, eight numbers of each key at a time."""
    rows, tokens, _, heads, size = qkv.shape
    queries = len(seen)
    whole = size - size % 8
    for i in range(rows):
        r = order[i]
        for h in range(heads):
            k = keys[reads[r], h]
            for j in range(queries):
                q = qkv[r, tokens - queries + j, 0, h]
                n = max(0, min(filled, seen[j] - first))
                s = scores[r, h, j, first : first + filled]
                s[n:] = -np.inf
                s[:n] = 0
                for d in range(0, whole, 8):
                    k0, k1, k2, k3 = k[d], k[d + 1], k[d + 2], k[d + 3]
                    k4, k5, k6, k7 = k[d + 4], k[d + 5], k[d + 6], k[d + 7]
                    q0, q1, q2, q3 = q[d], q[d + 1], q[d + 2], q[d + 3]
                    q4, q5, q6, q7 = q[d + 4], q[d + 5], q[d + 6], q[d + 7]
                    for t in range(n):
                        half = q0 * k0[t] + q1 * k1[t] + q2 * k2[t] + q3 * k3[t]
                        s[t] += half + (q4 * k4[t] + q5 * k5[t] + q6 * k6[t] + q7 * k7[t])
                for d in range(whole, size):
                    k0, q0 = k[d], q[d]
                    for t in range(n):
                        s[t] += q0 * k0[t]


@compiled
def _sums(
    weights: Numbers,
    values: Numbers,
    reads: Indices,
    order: Indices,
    first: int,
    filled: int,
    seen: Indices,
    out: Numbers,
) -> None:
    """Add weighted values of one segment, eight of them at a time."""
    rows, queries, heads, size = out.shape
    for i in range(rows):
        r = order[i]
        for h in range(heads):
            v = values[reads[r], h]
            for j in range(queries):
                n = max(0, min(filled, seen[j] - first))
                w = weights[r, h, j, first : first + filled]
                o = out[r, j, h]
                whole = n - n % 8
                for t in range(0, whole, 8):
                    v0, v1, v2, v3 = v[t], v[t + 1], v[t + 2], v[t + 3]
                    v4, v5, v6, v7 = v[t + 4], v[t + 5], v[t + 6], v[t + 7]
                    w0, w1, w2, w3 = w[t], w[t + 1], w[t + 2], w[t + 3]
                    w4, w5, w6, w7 = w[t + 4], w[t + 5], w[t + 6], w[t + 7]
                    for d in range(size):
                        half = w0 * v0[d] + w1 * v1[d] + w2 * v2[d] + w3 * v3[d]
                        o[d] += half + (w4 * v4[d] + w5 * v5[d] + w6 * v6[d] + w7 * v7[d])
                for t in range(whole, n):
                    v0, w0 = v[t], w[t]
                    for d in range(size):
                        o[d] += w0 * v0[d]


@compiled
def stored_and_scored(
    qkv: Numbers,
    kept: Indices,
    keys: tuple[Numbers, ...],
    values: tuple[Numbers, ...],
    reads: Indices,
    order: Indices,
    filled: Indices,
    seen: Indices,
    scores: Numbers,
) -> None:
    """Store keys and values of new tokens, and score all stored tokens for the last of the new ones.

    Args:
        qkv: queries, keys and values of new tokens (R, n, 3, heads, size).
        kept: which of the n leave keys; stored row r of the last segment takes those of row r.
        keys: of every segment (S, heads, size, capacity).
        values: of every segment (S, heads, capacity, size).
        reads: which stored row of every segment (segments, R) each row reads.
        order: of the rows (R,), best so that those that read the same come one after the other.
        filled: tokens of every segment (segments,), the new ones among those of the last.
        seen: how many of all stored tokens each query (queries,) sees.
        scores: written, (R, heads, queries, tokens); -inf where a token is not seen.
    """
    last = len(filled) - 1
    _store(qkv, kept, keys[last], values[last], filled[last] - len(kept))
    first = 0
    for i in range(len(filled)):
        if filled[i] > 0:
            _scores(qkv, keys[i], reads[i], order, first, filled[i], seen, scores)
            first += filled[i]


@compiled
def summed(
    weights: Numbers,
    values: tuple[Numbers, ...],
    reads: Indices,
    order: Indices,
    filled: Indices,
    seen: Indices,
    out: Numbers,
) -> None:
    """Sum values with weights (R, heads, queries, tokens) into zeros (R, queries, heads, size), out.

    The other arguments are as above.
    """
    first = 0
    for i in range(len(filled)):
        if filled[i] > 0:
            _sums(weights, values[i], reads[i], order, first, filled[i], seen, out)
            first += filled[i]


def compile_all() -> None:
    """Have all loops compiled, or found compiled, for float32; those for float64 are when they are called.

    Raises:
        OSError: the machine code cannot be kept.
    """
    none, row = np.zeros(1, dtype=np.int64), np.zeros((SEGMENTS, 1), dtype=np.int64)
    filled = np.array([0] * (SEGMENTS - 1) + [1])
    keys = (np.zeros((1, 1, 1, 8), dtype=np.float32),) * SEGMENTS
    values = (np.zeros((1, 1, 8, 1), dtype=np.float32),) * SEGMENTS
    numbers = np.zeros((1, 1, 3, 1, 1), dtype=np.float32)
    scores = np.zeros((1, 1, 1, 1), dtype=np.float32)
    stored_and_scored(numbers, none, keys, values, row, none, filled, none + 1, scores)
    summed(scores, values, row, none, filled, none + 1, scores)
