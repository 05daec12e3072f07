"""The table of a run, from its evaluation episodes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ttf.statistics import mean, wilson

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    Record = Mapping[str, Any]


def summarise(recipe: str, episodes: Sequence[Record]) -> dict[str, Any]:
    """The content of result.json from the records of episodes.jsonl; the first policy is compared to the others."""
    by_policy: dict[str, list[Record]] = {}
    for record in episodes:
        by_policy.setdefault(record["policy"], []).append(record)
    policies = list(by_policy)
    return {
        "recipe": recipe,
        "policies": [_row(policy, records) for policy, records in by_policy.items()],
        "paired": [_difference(by_policy, policies[0], other) for other in policies[1:]],
    }


def _row(policy: str, records: Sequence[Record]) -> dict[str, Any]:
    return {
        "policy": policy,
        "episodes": len(records),
        "return": mean([record["return"] for record in records])._asdict(),
        "steps": mean([record["steps"] for record in records])._asdict(),
        "success": _success(records),
    }


def _success(records: Sequence[Record]) -> dict[str, float | None] | None:
    """The rate with its Wilson interval; None where the environment does not say."""
    if any(record["success"] is None for record in records):
        return None
    count = sum(record["success"] for record in records)
    return {**wilson(count, len(records))._asdict(), "count": count}


def _difference(by_policy: Mapping[str, Sequence[Record]], policy: str, against: str) -> dict[str, Any]:
    """Mean differences over the same seeds, policy minus the other."""
    others = {record["seed"]: record for record in by_policy[against]}
    pairs = [(record, others[record["seed"]]) for record in by_policy[policy]]
    differences = {key: mean([a[key] - b[key] for a, b in pairs])._asdict() for key in ("return", "steps")}
    return {"policy": policy, "against": against, **differences}
