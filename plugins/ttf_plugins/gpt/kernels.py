"""What a GPT does between its products of matrices, on one processor core: norms, activations, attention to the past.

Keys and values are stored once for all rows that share them. A batch of matrix products would need them copied for
every row, or the queries gathered for every stored row, and its matrices are small; these loops read them where they
lie: for many queries at once where all see the same, or one by one. Numba makes machine code of them.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from ttf_plugins.gpt.functions import gelu
from ttf_plugins.gpt.lanes import LANES, MANY, compiled, load, spread, spread_many, store
from ttf_plugins.gpt.products import add_sum, add_sum_lanes, crossed_over, hide, score, score_lanes, softmax

if TYPE_CHECKING:
    from ttf_plugins.gpt.lanes import Indices, Lanes, Numbers

BUILT_ON = "565686128f1c00c1"
"""The checksum of functions.py, lanes.py and products.py; Numba keeps machine code until this file changes."""

SEGMENTS = 4
"""Segments that rows look into at most: the loops are compiled for just as many, of which the first may be empty."""

FEW = 4
"""Queries that are faster one by one."""

ZERO = np.float32(0)
"""What sums begin with, in either type."""


@compiled
def normalised(x: Numbers, added: Numbers, weight: Numbers, bias: Numbers, eps: float, out: Numbers) -> None:
    """Add a vector (width,) to rows of x (R, width), and write their layer norms (R, width)."""
    rows, width = x.shape
    for r in range(rows):
        one, sums, squares = x[r], ZERO, ZERO
        for i in range(width):
            one[i] += added[i]
            sums += one[i]
        mean = x.dtype.type(sums / width)
        for i in range(width):
            squares += (one[i] - mean) * (one[i] - mean)
        scale = x.dtype.type(1 / math.sqrt(squares / width + eps))
        for i in range(width):
            out[r, i] = (one[i] - mean) * scale * weight[i] + bias[i]


@compiled
def activated(x: Numbers, bias: Numbers, out: Numbers) -> None:
    """Write the GELU (R, width) of sums of rows of x (R, width) and a vector (width,)."""
    rows, width = x.shape
    whole = width - width % LANES
    for r in range(rows):
        for d in range(0, whole, LANES):
            store(out[r], d, gelu(load(x[r], d) + load(bias, d)))
        for d in range(whole, width):
            each = x[r, d] + bias[d]
            out[r, d] = each * (1 + math.erf(each * math.sqrt(0.5))) / 2


@compiled
def _add(a: Numbers, b: Numbers, out: Numbers) -> None:
    """Write the sum of two vectors (width,)."""
    whole = len(a) - len(a) % LANES
    for d in range(0, whole, LANES):
        store(out, d, load(a, d) + load(b, d))
    for d in range(whole, len(a)):
        out[d] = a[d] + b[d]


@compiled
def _write(qkv: Numbers, bias: Numbers, kept: Indices, pairs: Numbers, start: int) -> None:
    """Write keys and values of new tokens (R, n, 3, width) into (2, R, capacity, width), the first at start."""
    for r in range(len(qkv)):
        for i in range(len(kept)):
            for one in range(2):
                _add(qkv[r, kept[i], 1 + one], bias[1 + one], pairs[one, r, start + i])


@compiled
def _together(rows: Indices) -> bool:
    """Whether queries are to be taken at once: all see the same stored row (L,), and lanes are not left empty."""
    alike = len(rows) > FEW
    for row in rows:
        alike &= row == rows[0]
    return alike


@compiled
def _scored(q: Numbers, crossed: Numbers, keys: Numbers, rows: Indices, scores: Numbers, zeros: Lanes) -> None:
    """Write scores (heads, n, MANY) of queries and the keys of one segment.

    Given as (L, heads, size) and as (heads, size, MANY); each sees a stored row (L,).
    """
    if _together(rows):
        score_lanes(crossed, keys[rows[0], : scores.shape[1]], scores, zeros)
    else:
        for i in range(len(q)):
            score(q[i], keys[rows[i], : scores.shape[1]], scores, i)


@compiled
def _summed(weights: Numbers, values: Numbers, rows: Indices, sums: Numbers, crossed: Numbers, zeros: Lanes) -> None:
    """Add the values of one segment with weights (heads, n, MANY).

    Each query sees a stored row (L,). To crossed (heads, size, MANY) if all are taken at once, to sums (L, heads, size)
    if not.
    """
    if _together(rows):
        add_sum_lanes(weights, values[rows[0], : weights.shape[1]], crossed, zeros)
    else:
        for i in range(len(sums)):
            add_sum(weights, i, values[rows[i], : weights.shape[1]], sums[i])


@compiled
def _gathered(
    q: Numbers,
    crossed: Numbers,
    segments: tuple[Numbers, ...],
    reads: Indices,
    filled: Indices,
    seen: Indices,
    scores: Numbers,
    sums: Numbers,
    zeros: Lanes,
) -> None:
    """Write what queries (L, heads, size), the same as crossed (heads, size, MANY), gather.

    It is the sum of sums (L, heads, size) and of crossed, which is overwritten. For every query, reads (segments, L)
    are the stored rows that its row reads, and seen (L,) how many tokens it sees; the others are as below. There is
    room for scores (heads, tokens, MANY); lanes are taken as many at once as there are zeros, enough for the queries.
    """
    visible, first = seen[len(q) - 1], 0
    for s in range(len(filled)):
        n = min(filled[s], visible - first)
        if n > 0:
            _scored(q, crossed, segments[s][0], reads[s], scores[:, first : first + n], zeros)
            first += n
    hide(scores[:, :visible], seen)
    for h in range(len(scores)):
        softmax(scores[h, :visible], len(q))
    sums[:] = 0
    crossed[:] = 0
    first = 0
    for s in range(len(filled)):
        n = min(filled[s], visible - first)
        if n > 0:
            _summed(scores[:, first : first + n], segments[s][1], reads[s], sums, crossed, zeros)
            first += n


@compiled
def attended(
    qkv: Numbers,
    bias: Numbers,
    kept: Indices,
    segments: tuple[Numbers, ...],
    reads: Indices,
    order: Indices,
    filled: Indices,
    seen: Indices,
    out: Numbers,
) -> None:
    """Store keys and values of new tokens, and write what the last of these gather from all that are stored.

    The numbers of every array follow each other.

    Args:
        qkv: queries, keys and values of new tokens (R, n, 3, heads * size).
        bias: to be added to them (3, heads * size).
        kept: which of the n leave keys; stored row r of the last segment takes those of row r.
        segments: keys and values (2, S, capacity, heads, size) of each.
        reads: which stored row of every segment (segments, R) each row reads.
        order: of the rows (R,), each once, best so that those that read the same come one after the other.
        filled: tokens of every segment (segments,), the new ones among those of the last; the first may have none.
        seen: how many of all stored tokens each query (queries,) sees, at least one, no fewer than the query before.
        out: written, (R, queries, heads * size).
    """
    rows, tokens, _, width = qkv.shape
    queries, last = len(seen), len(filled) - 1
    _, stored, capacity, heads, size = segments[last].shape
    _write(qkv, bias, kept, segments[last].reshape(2, stored, capacity, width), filled[last] - len(kept))
    q, sums = np.zeros((MANY, width), out.dtype), np.zeros((MANY, width), out.dtype)
    crossed = np.zeros((width, MANY), out.dtype)
    by_heads = q.reshape(MANY, heads, size), crossed.reshape(heads, size, MANY), sums.reshape(MANY, heads, size)
    scores = np.empty((heads, filled.sum(), MANY), out.dtype)
    row, query, sees = np.zeros(MANY, np.int64), np.zeros(MANY, np.int64), np.zeros(MANY, np.int64)  # of each lane
    which = np.zeros((len(filled), MANY), np.int64)
    most = MANY // queries if queries <= MANY // 4 else 1  # rows of which all queries are taken at once
    for first_row in range(0, rows, most):
        together = min(most, rows - first_row)
        for first_query in range(0, queries, MANY):
            count = together * min(MANY, queries - first_query)
            for i in range(count):
                row[i], query[i] = order[first_row + i % together], first_query + i // together
                sees[i] = seen[query[i]]
                for s in range(len(filled)):
                    which[s, i] = reads[s, row[i]]
                _add(qkv[row[i], tokens - queries + query[i], 0], bias[0], q[i])
            crossed_over(q, crossed)
            given = by_heads[0][:count], by_heads[1], segments, which[:, :count], filled, sees[:count]
            if count > LANES:
                _gathered(*given, scores, by_heads[2][:count], spread_many(out.dtype.type(0)))
            else:
                _gathered(*given, scores, by_heads[2][:count], spread(out.dtype.type(0)))
            crossed_over(crossed, q)
            for i in range(count):
                _add(q[i], sums[i], out[row[i], query[i]])


def compile_all() -> None:
    """Have all loops compiled, or found compiled, for float32; those for float64 are when they are called.

    Raises:
        OSError: the machine code cannot be kept.
    """
    none, row = np.zeros(1, dtype=np.int64), np.zeros((SEGMENTS, 1), dtype=np.int64)
    filled = np.array([0] * (SEGMENTS - 1) + [1])
    numbers, segment = np.zeros((1, 1, 3, 1), dtype=np.float32), np.zeros((2, 1, 1, 1, 1), dtype=np.float32)
    attended(numbers, numbers[0, 0], none, (segment,) * SEGMENTS, row, none, filled, none + 1, numbers[:, :, 0])
    row_of_one = numbers[0, 0, 0]
    normalised(numbers[0, 0, :1], row_of_one, row_of_one, row_of_one, 1.0, numbers[0, 0, :1])
    activated(numbers[0, 0, :1], row_of_one, numbers[0, 0, :1])
