"""The table of a run is what plain loops over its episodes give."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from ttf.results import summarise
from ttf.statistics import mean, wilson


def episodes(policy: str, count: int, seed: int, *, success: bool = True) -> list[dict[str, Any]]:
    random = np.random.default_rng(seed)
    return [
        {
            "policy": policy,
            "episode": index,
            "seed": 100 + index,
            "return": float(random.normal()),
            "steps": int(random.integers(1, 50)),
            "success": bool(random.random() < 0.6) if success else None,
        }
        for index in range(count)
    ]


def test_rows_are_means_and_rates_in_the_order_of_the_episodes() -> None:
    records = episodes("planner", 20, seed=1) + episodes("random", 20, seed=2)
    document = summarise("tiny", records)
    assert document["recipe"] == "tiny"
    assert [row["policy"] for row in document["policies"]] == ["planner", "random"]
    for row, own in zip(document["policies"], (records[:20], records[20:]), strict=True):
        count = sum(record["success"] for record in own)
        assert row["episodes"] == 20
        assert row["return"] == mean([record["return"] for record in own])._asdict()
        assert row["steps"] == mean([record["steps"] for record in own])._asdict()
        assert row["success"] == {**wilson(count, 20)._asdict(), "count": count}


def test_differences_pair_episodes_of_the_same_seed_whatever_their_order() -> None:
    first, second = episodes("planner", 15, seed=1), episodes("random", 15, seed=2)
    (paired,) = summarise("tiny", first + second[::-1])["paired"]
    assert (paired["policy"], paired["against"]) == ("planner", "random")
    for key in ("return", "steps"):
        differences = [a[key] - b[key] for a, b in zip(first, second, strict=True)]
        assert paired[key] == pytest.approx(mean(differences)._asdict())


def test_the_first_policy_is_compared_to_all_others() -> None:
    records = [record for name in "abc" for record in episodes(name, 5, seed=ord(name))]
    assert [(pair["policy"], pair["against"]) for pair in summarise("x", records)["paired"]] == [("a", "b"), ("a", "c")]


def test_without_a_notion_of_success_there_is_no_rate() -> None:
    document = summarise("x", episodes("a", 5, seed=0, success=False))
    assert document["policies"][0]["success"] is None
    assert document["paired"] == []


def test_one_episode_has_no_interval_but_for_its_success() -> None:
    document = summarise("x", episodes("a", 1, seed=0) + episodes("b", 1, seed=1))
    for figures in (*document["policies"], *document["paired"]):
        assert all((figures[key]["low"], figures[key]["high"]) == (None, None) for key in ("return", "steps"))
    assert all(row["success"]["low"] < row["success"]["high"] for row in document["policies"])


def test_no_episodes_make_an_empty_table() -> None:
    assert summarise("x", []) == {"recipe": "x", "policies": [], "paired": []}
