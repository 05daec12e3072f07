"""Attention of whole sequences, and gradients, on a processor: loops for which Numba makes machine code.

A query sees the first few of the tokens that leave keys; what none of a few neighbours sees is left out. Weights are
not kept, but made again for the gradients (Dao et al. 2022).
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from ttf_plugins.gpt.functions import exponential, gelu_and_slope
from ttf_plugins.gpt.kernels import activated
from ttf_plugins.gpt.lanes import LANES, compiled, cross, larger, largest, load, spread, store, total, where_larger

if TYPE_CHECKING:
    from ttf_plugins.gpt.lanes import Indices, Numbers

BUILT_ON = "30fab1ad5756f4e7"
"""The checksum of functions.py and lanes.py; Numba keeps machine code until this file changes."""

TOGETHER = 8
"""Queries that are taken at once."""


@compiled
def _whole(numbers: int) -> int:
    """So many numbers, and what they lack to whole lanes, to which rows that are worked with are filled up."""
    return (numbers + LANES - 1) // LANES * LANES


@compiled
def _copy(numbers: Numbers, scale: float, out: Numbers) -> None:
    """Copy numbers (size,), scaled, to the first of out."""
    size = len(numbers)
    whole, factor = size - size % LANES, numbers.dtype.type(scale)
    for d in range(0, whole, LANES):
        store(out, d, load(numbers, d) * spread(factor))
    for d in range(whole, size):
        out[d] = numbers[d] * factor


@compiled
def _pack(rows: Numbers, which: int, h: int, kept: Indices, out: Numbers) -> None:
    """Copy those kept (m,) of rows (n, 3, heads, size) to out (blocks, m, LANES), in blocks of their columns."""
    size = rows.shape[3]
    whole = size - size % LANES
    for t in range(len(kept)):
        row = rows[kept[t], which, h]
        for d in range(0, whole, LANES):
            store(out[d // LANES, t], 0, load(row, d))
        for d in range(whole, size):
            out[whole // LANES, t, d - whole] = row[d]


@compiled
def _cross_packed(packed: Numbers, out: Numbers) -> None:
    """Write rows (room / LANES, tokens, LANES), packed as above, as columns (tokens / LANES, room, LANES)."""
    for i in range(len(packed)):
        for j in range(len(out)):
            cross(packed[i, j * LANES : (j + 1) * LANES], out[j, i * LANES : (i + 1) * LANES])


@compiled
def _multiply(a: Numbers, b: Numbers, terms: int, columns: int, out: Numbers) -> None:
    """Write columns of products of a (TOGETHER, terms) and b, given in blocks of columns (blocks, terms, LANES)."""
    for c in range(0, columns, LANES):
        block = b[c // LANES]
        s0 = s1 = s2 = s3 = s4 = s5 = s6 = s7 = spread(a.dtype.type(0))
        for t in range(terms):
            x = load(block[t], 0)
            s0 = spread(a[0, t]) * x + s0
            s1 = spread(a[1, t]) * x + s1
            s2 = spread(a[2, t]) * x + s2
            s3 = spread(a[3, t]) * x + s3
            s4 = spread(a[4, t]) * x + s4
            s5 = spread(a[5, t]) * x + s5
            s6 = spread(a[6, t]) * x + s6
            s7 = spread(a[7, t]) * x + s7
        store(out[0], c, s0)
        store(out[1], c, s1)
        store(out[2], c, s2)
        store(out[3], c, s3)
        store(out[4], c, s4)
        store(out[5], c, s5)
        store(out[6], c, s6)
        store(out[7], c, s7)


@compiled
def _add_outer(a: Numbers, b: Numbers, terms: int, out: Numbers) -> None:
    """Add products of a (TOGETHER, terms), as columns, and b (TOGETHER, size) to out (blocks, terms, LANES)."""
    for c in range(0, b.shape[1], LANES):
        block = out[c // LANES]
        b0, b1, b2, b3 = load(b[0], c), load(b[1], c), load(b[2], c), load(b[3], c)
        b4, b5, b6, b7 = load(b[4], c), load(b[5], c), load(b[6], c), load(b[7], c)
        for t in range(terms):
            left = spread(a[0, t]) * b0 + (spread(a[1, t]) * b1 + (spread(a[2, t]) * b2 + spread(a[3, t]) * b3))
            right = spread(a[4, t]) * b4 + (spread(a[5, t]) * b5 + (spread(a[6, t]) * b6 + spread(a[7, t]) * b7))
            store(block[t], 0, load(block[t], 0) + (left + right))


@compiled
def _hide(scores: Numbers, seen: int, hiding: Numbers) -> None:
    """Replace scores (whole,) but the first few, given LANES zeros and then LANES times -inf."""
    least = spread(scores.dtype.type(-1))
    for c in range(seen - seen % LANES, len(scores), LANES):
        shown = load(hiding, LANES - max(0, seen - c))
        store(scores, c, where_larger(shown, least, load(scores, c)) + shown)


@compiled
def _exponentials(scores: Numbers, tops: Numbers) -> None:
    """Replace rows of scores (count, whole) by exponentials over their highest.

    Write that (count, 2), and the inverse of the sum of the exponentials. Steps of a row wait for each other, those of
    rows do not: all take the first before any takes the second.
    """
    rows, tokens = scores.shape
    for i in range(rows):
        lanes = load(scores[i], 0)
        for c in range(LANES, tokens, LANES):
            lanes = larger(lanes, load(scores[i], c))
        tops[i, 0] = largest(lanes)
    for i in range(rows):
        highest, sums = spread(tops[i, 0]), spread(scores.dtype.type(0))
        for c in range(0, tokens, LANES):
            each = exponential(load(scores[i], c) - highest)
            sums = sums + each
            store(scores[i], c, each)
        tops[i, 1] = 1 / total(sums)


@compiled
def _weigh(scores: Numbers, tops: Numbers, gradients: Numbers, mean: float) -> None:
    """Replace scores (whole,) by their softmax, and gradients of that by those of scores."""
    highest, share, less = spread(tops[0]), spread(tops[1]), spread(scores.dtype.type(mean))
    for c in range(0, len(scores), LANES):
        each = exponential(load(scores, c) - highest) * share
        store(scores, c, each)
        store(gradients, c, each * (load(gradients, c) - less))


@compiled
def attention(kept: Indices, seen: Indices, qkv: Numbers, out: Numbers, tops: Numbers) -> None:
    """Write what queries gather.

    Args:
        kept: which of the n tokens are keys (m,).
        seen: how many of those each query (n,) sees, at least one, no fewer than the query before.
        qkv: queries, keys and values (B, n, 3, heads, size).
        out: written, (B, n, heads, size).
        tops: written, (B, heads, n, 2), for the gradients: the highest score, and the inverse of the sum of
            exponentials over it.
    """
    batch, n, _, heads, size = qkv.shape
    room, tokens, scale = _whole(size), _whole(len(kept)), 1 / math.sqrt(size)
    q, sums = np.zeros((TOGETHER, room), qkv.dtype), np.zeros((TOGETHER, room), qkv.dtype)
    rows = np.zeros((2, room // LANES, tokens, LANES), qkv.dtype)
    keys = np.zeros((tokens // LANES, room, LANES), qkv.dtype)
    scores, hiding = np.zeros((TOGETHER, tokens), qkv.dtype), np.zeros(2 * LANES, qkv.dtype)
    hiding[LANES:] = -np.inf
    for b in range(batch):
        for h in range(heads):
            for one in range(2):
                _pack(qkv[b], 1 + one, h, kept, rows[one])
            _cross_packed(rows[0], keys)
            for first in range(0, n, TOGETHER):
                count = min(TOGETHER, n - first)
                visible = seen[first + count - 1]
                for i in range(count):
                    _copy(qkv[b, first + i, 0, h], scale, q[i])
                _multiply(q, keys, size, visible, scores)
                for i in range(count):
                    _hide(scores[i, : _whole(visible)], seen[first + i], hiding)
                _exponentials(scores[:count, : _whole(visible)], tops[b, h, first : first + count])
                _multiply(scores, rows[1], visible, size, sums)
                for i in range(count):
                    _copy(sums[i, :size], tops[b, h, first + i, 1], out[b, first + i, h])


@compiled
def attention_gradients(
    kept: Indices, seen: Indices, qkv: Numbers, out: Numbers, tops: Numbers, gradients: Numbers, made: Numbers
) -> None:
    """Write gradients of queries, keys and values.

    Args:
        kept: as of :func:`attention`.
        seen: likewise.
        qkv: likewise.
        out: what it wrote.
        tops: what it wrote.
        gradients: of what it wrote (B, n, heads, size).
        made: written, (B, n, 3, heads, size).
    """
    batch, n, _, heads, size = qkv.shape
    room, tokens, scale = _whole(size), _whole(len(kept)), 1 / math.sqrt(size)
    rows, sums = np.zeros((2, 2, room // LANES, tokens, LANES), qkv.dtype)
    crossed, new = np.zeros((2, tokens // LANES, room, LANES), qkv.dtype), np.zeros((3, TOGETHER, room), qkv.dtype)
    weights, changes = np.zeros((TOGETHER, tokens), qkv.dtype), np.zeros((TOGETHER, tokens), qkv.dtype)
    hiding = np.zeros(2 * LANES, qkv.dtype)
    hiding[LANES:] = -np.inf
    for b in range(batch):
        made[b] = 0  # of what leaves no keys
        for h in range(heads):
            for one in range(2):
                _pack(qkv[b], 1 + one, h, kept, rows[one])
                _cross_packed(rows[one], crossed[one])
            sums[:] = 0
            for first in range(0, n, TOGETHER):
                count = min(TOGETHER, n - first)
                visible = seen[first + count - 1]
                new[:] = 0
                for i in range(count):
                    _copy(qkv[b, first + i, 0, h], scale, new[0, i])
                    _copy(gradients[b, first + i, h], 1.0, new[1, i])
                _multiply(new[0], crossed[0], size, visible, weights)
                _multiply(new[1], crossed[1], size, visible, changes)
                for i in range(count):
                    mean = qkv.dtype.type(0)
                    for d in range(size):
                        mean += new[1, i, d] * out[b, first + i, h, d]
                    _hide(weights[i, : _whole(visible)], seen[first + i], hiding)
                    _weigh(weights[i, : _whole(visible)], tops[b, h, first + i], changes[i, : _whole(visible)], mean)
                _multiply(changes, rows[0], visible, size, new[2])
                for i in range(count):
                    _copy(new[2, i, :size], scale, made[b, first + i, 0, h])
                _add_outer(changes, new[0], visible, sums[0])
                _add_outer(weights, new[1], visible, sums[1])
            for t in range(len(kept)):
                for one in range(2):
                    for d in range(0, size, LANES):
                        some = made[b, kept[t], 1 + one, h, d : d + LANES]
                        _copy(sums[one, d // LANES, t, : len(some)], 1.0, some)


@compiled
def activated_again(x: Numbers, bias: Numbers, changes: Numbers, sums: Numbers, out: Numbers) -> None:
    """Write what :func:`ttf_plugins.gpt.kernels.activated` does.

    Replace gradients of that (R, width) by those of x, and add them up (width,).
    """
    rows, width = x.shape
    whole = width - width % LANES
    for r in range(rows):
        for d in range(0, whole, LANES):
            value, slope = gelu_and_slope(load(x[r], d) + load(bias, d))
            change = load(changes[r], d) * slope
            store(out[r], d, value)
            store(changes[r], d, change)
            store(sums, d, load(sums, d) + change)
        for d in range(whole, width):
            each = x[r, d] + bias[d]
            chance = (1 + math.erf(each * math.sqrt(0.5))) / 2
            out[r, d] = each * chance
            changes[r, d] *= chance + each * math.exp(-each * each / 2) / math.sqrt(2 * math.pi)
            sums[d] += changes[r, d]


def compile_all() -> None:
    """Have what trains compiled, or found compiled, for float32; loops for float64 are when they are called.

    Raises:
        OSError: the machine code cannot be kept.
    """
    one, qkv = np.zeros(1, dtype=np.int64), np.zeros((1, 1, 3, 1, 1), dtype=np.float32)
    gathered, tops = np.zeros((1, 1, 1, 1), dtype=np.float32), np.zeros((1, 1, 1, 2), dtype=np.float32)
    attention(one, one + 1, qkv, gathered, tops)
    attention_gradients(one, one + 1, qkv, gathered, tops, gathered, qkv.copy())
    row = tops[0, 0]
    activated(row, row[0], row)
    activated_again(row, row[0], row, row[0], row)
