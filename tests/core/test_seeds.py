"""Streams are reproducible, independent of each other and of how many numbers are taken."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from ttf.evaluate import LARGEST_SEED, evaluation_seeds
from ttf.seeds import seeds, stream

PARTS = ("data", "validation", "model", "training", "evaluation episodes", "acting beam_search 0", "acting random 0")


def test_streams_are_what_they_were_when_runs_were_made() -> None:
    assert stream(0, "model") == 4315024886209773960
    assert seeds(7, "training", 2) == [4355838401641002821, 9140491073948658037]


@given(st.integers(0, 2**32 - 1), st.sampled_from(PARTS), st.integers(1, 20), st.integers(0, 20))
def test_a_longer_list_starts_with_the_shorter_one(seed: int, part: str, count: int, more: int) -> None:
    shorter = seeds(seed, part, count)
    assert len(shorter) == count
    assert seeds(seed, part, count + more)[:count] == shorter
    assert stream(seed, part) == shorter[0]
    assert all(0 <= number < 2**63 for number in shorter)


def test_no_two_parts_or_seeds_share_a_stream() -> None:
    found = [stream(seed, part) for seed in range(200) for part in PARTS]
    assert len(set(found)) == len(found)


def test_bits_of_neighbouring_seeds_are_unrelated() -> None:
    numbers = np.array([stream(seed, "model") for seed in range(2000)], dtype=np.uint64)
    bits = (numbers[:, None] >> np.arange(63, dtype=np.uint64)) & np.uint64(1)
    flips = (bits[1:] != bits[:-1]).mean(0)
    assert ((flips > 0.44) & (flips < 0.56)).all()


def test_evaluation_seeds_are_distinct_small_enough_and_the_same_for_more_episodes() -> None:
    numbers = evaluation_seeds(0, 1000)
    assert len(set(numbers)) == 1000
    assert all(0 <= number < LARGEST_SEED for number in numbers)
    assert evaluation_seeds(0, 10) == numbers[:10]
    assert evaluation_seeds(1, 10) != numbers[:10]
