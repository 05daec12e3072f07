"""Products of queries and keys, their softmax, and sums of values: the innermost loops of attention.

Keys (n, heads, size) and values of a stored row are read in the order in which they lie, four tokens at a time, as
memory is what these loops wait for. Where fewer are left for lanes of queries, the last stands for those that are not
there.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ttf_plugins.gpt.functions import exponential
from ttf_plugins.gpt.lanes import (
    LANES,
    compiled,
    cross,
    larger,
    load,
    load_like,
    spread,
    spread_like,
    store,
    total,
    totals,
    where_larger,
)

if TYPE_CHECKING:
    from ttf_plugins.gpt.lanes import Indices, Lanes, Numbers

BUILT_ON = "30fab1ad5756f4e7"
"""The checksum of functions.py and lanes.py; Numba keeps machine code until this file changes."""


@compiled
def crossed_over(rows: Numbers, out: Numbers) -> None:
    """Write rows (m, n) as columns (n, m)."""
    m, n = rows.shape
    for i in range(0, m - m % LANES, LANES):
        for j in range(0, n - n % LANES, LANES):
            cross(rows[i : i + LANES, j : j + LANES], out[j : j + LANES, i : i + LANES])
    for i in range(m - m % LANES, m):
        for j in range(n):
            out[j, i] = rows[i, j]
    for i in range(m - m % LANES):
        for j in range(n - n % LANES, n):
            out[j, i] = rows[i, j]


@compiled
def score(q: Numbers, keys: Numbers, scores: Numbers, lane: int) -> None:
    """Write products of a query (heads, size) and keys (n, heads, size) to a lane of scores (heads, n, MANY)."""
    n, heads, size = keys.shape
    whole = size - size % LANES
    for t in range(0, n - n % 4, 4):
        for h in range(heads):
            k0, k1, k2, k3 = keys[t, h], keys[t + 1, h], keys[t + 2, h], keys[t + 3, h]
            s0 = s1 = s2 = s3 = spread(q.dtype.type(0))
            for d in range(0, whole, LANES):
                x = load(q[h], d)
                s0 = load(k0, d) * x + s0
                s1 = load(k1, d) * x + s1
                s2 = load(k2, d) * x + s2
                s3 = load(k3, d) * x + s3
            one = scores[h]
            one[t, lane], one[t + 1, lane], one[t + 2, lane], one[t + 3, lane] = totals(s0, s1, s2, s3)
    for t in range(n - n % 4, n):
        for h in range(heads):
            s0 = spread(q.dtype.type(0))
            for d in range(0, whole, LANES):
                s0 = load(keys[t, h], d) * load(q[h], d) + s0
            scores[h, t, lane] = total(s0)
    for d in range(whole, size):
        for t in range(n):
            for h in range(heads):
                scores[h, t, lane] += q[h, d] * keys[t, h, d]


@compiled
def add_sum(weights: Numbers, lane: int, values: Numbers, out: Numbers) -> None:
    """Add values (n, heads, size) with a lane of weights (heads, n, MANY) to out (heads, size)."""
    n, heads, size = values.shape
    whole = size - size % LANES
    for t in range(0, n - n % 4, 4):
        for h in range(heads):
            w, sums = weights[h], out[h]
            w0, w1, w2, w3 = spread(w[t, lane]), spread(w[t + 1, lane]), spread(w[t + 2, lane]), spread(w[t + 3, lane])
            v0, v1, v2, v3 = values[t, h], values[t + 1, h], values[t + 2, h], values[t + 3, h]
            for d in range(0, whole, LANES):
                older = w0 * load(v0, d) + (w1 * load(v1, d) + load(sums, d))
                store(sums, d, w2 * load(v2, d) + (w3 * load(v3, d) + older))
    for t in range(n - n % 4, n):
        for h in range(heads):
            w0 = spread(weights[h, t, lane])
            for d in range(0, whole, LANES):
                store(out[h], d, w0 * load(values[t, h], d) + load(out[h], d))
    for d in range(whole, size):
        for t in range(n):
            for h in range(heads):
                out[h, d] += weights[h, t, lane] * values[t, h, d]


@compiled
def score_lanes(q: Numbers, keys: Numbers, scores: Numbers, zeros: Lanes) -> None:
    """Write products (heads, n, MANY) of queries (heads, size, MANY) and keys (n, heads, size) that all see.

    They are those of the first lanes, of as many as there are zeros.
    """
    n, heads, size = keys.shape
    for t in range(0, n, 4):
        t1, t2, t3 = min(t + 1, n - 1), min(t + 2, n - 1), min(t + 3, n - 1)
        for h in range(heads):
            k0, k1, k2, k3 = keys[t, h], keys[t1, h], keys[t2, h], keys[t3, h]
            s0 = s1 = s2 = s3 = zeros
            for d in range(size):
                x = load_like(q[h, d], 0, zeros)
                s0 = spread_like(k0[d], zeros) * x + s0
                s1 = spread_like(k1[d], zeros) * x + s1
                s2 = spread_like(k2[d], zeros) * x + s2
                s3 = spread_like(k3[d], zeros) * x + s3
            store(scores[h, t], 0, s0)
            store(scores[h, t1], 0, s1)
            store(scores[h, t2], 0, s2)
            store(scores[h, t3], 0, s3)


@compiled
def add_sum_lanes(weights: Numbers, values: Numbers, out: Numbers, zeros: Lanes) -> None:
    """Add values (n, heads, size) that all see, with weights (heads, n, MANY), to out (heads, size, MANY).

    They are added to the first lanes, to as many as there are zeros.
    """
    n, heads, size = values.shape
    for t in range(0, n, 4):
        t1, t2, t3 = min(t + 1, n - 1), min(t + 2, n - 1), min(t + 3, n - 1)
        for h in range(heads):
            w = weights[h]
            w0, w1 = load_like(w[t], 0, zeros), load_like(w[t1], 0, zeros) if t + 1 < n else zeros
            w2 = load_like(w[t2], 0, zeros) if t + 2 < n else zeros
            w3 = load_like(w[t3], 0, zeros) if t + 3 < n else zeros
            v0, v1, v2, v3 = values[t, h], values[t1, h], values[t2, h], values[t3, h]
            for d in range(size):
                older = spread_like(v0[d], zeros) * w0 + (
                    spread_like(v1[d], zeros) * w1 + load_like(out[h, d], 0, zeros)
                )
                store(out[h, d], 0, spread_like(v2[d], zeros) * w2 + (spread_like(v3[d], zeros) * w3 + older))


@compiled
def hide(scores: Numbers, seen: Indices) -> None:
    """Replace scores (heads, n, MANY) by -inf where the query of a lane does not see the token.

    Queries see the first few, seen (L,), at least one, no fewer than the query before; lanes beyond see all.
    """
    shown = np.zeros(2 * LANES, scores.dtype)
    shown[:LANES] = -np.inf
    least = spread(scores.dtype.type(-1))
    blind = 0  # queries that do not see a token
    for t in range(seen[0], scores.shape[1]):
        while blind < len(seen) and seen[blind] <= t:
            blind += 1
        for c in range(0, blind, LANES):
            added = load(shown, max(0, LANES - (blind - c)))
            for h in range(len(scores)):
                store(scores[h, t], c, where_larger(added, least, load(scores[h, t], c)) + added)


@compiled
def softmax(scores: Numbers, count: int) -> None:
    """Replace scores (n, MANY) by their softmax over n, in the first lanes at least, of which so many are in use."""
    for c in range(0, count, LANES):
        highest = load(scores[0], c)
        for t in range(1, len(scores)):
            highest = larger(highest, load(scores[t], c))
        sums = spread(scores.dtype.type(0))
        for t in range(len(scores)):
            each = exponential(load(scores[t], c) - highest)
            sums = sums + each
            store(scores[t], c, each)
        share = spread(scores.dtype.type(1)) / sums
        for t in range(len(scores)):
            store(scores[t], c, load(scores[t], c) * share)
