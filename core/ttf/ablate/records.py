"""The evaluation episodes that a trial has recorded, all of those that it was asked."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, TypeAlias

from ttf.errors import DataError
from ttf.evaluate import evaluation_seeds
from ttf.run_dir import read_lines

if TYPE_CHECKING:
    from ttf.recipe import Recipe
    from ttf.run_dir import RunDir

Episodes: TypeAlias = Mapping[int, Mapping[str, Any]]
"""The records of a run, by the seeds of the episodes."""


def recorded_episodes(run: RunDir, recipe: Recipe) -> Episodes:
    """The episodes of a run that has finished: its planner's, or its first baseline's where it plans nothing.

    Raises:
        DataError: a file is damaged or gone, or an episode of some policy is missing.
    """
    config = recipe.evaluation
    seed = recipe.seed if config is None or config.seed is None else config.seed
    asked = dict.fromkeys(evaluation_seeds(seed, config.episodes if config else 0))
    found: dict[str, dict[int, Mapping[str, Any]]] = {}
    try:
        for record in read_lines(run.episodes):
            scored = {name: record[name] for name in ("policy", "success", "return")}
            found.setdefault(scored["policy"], {})[record["seed"]] = scored
        policies = [str(row["policy"]) for row in run.read("result")["policies"]]
        first = policies[0]
    except (KeyError, TypeError, IndexError) as error:
        message = f"{run.path}: its result or an episode is damaged or gone"
        raise DataError(message) from error
    for policy in policies:
        if missing := asked.keys() - found.get(policy, {}).keys():
            message = f"{run.episodes}: {len(missing)} of the {len(asked)} episodes of {policy!r} are missing"
            raise DataError(message)
    return {number: found[first][number] for number in asked}
