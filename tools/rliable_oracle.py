"""Record what rliable makes of some scores, for tests/core/test_aggregate.py to compare with.

rliable does not import beside pandas 3, so it has an environment of its own:

    python -m venv /tmp/rliable && /tmp/rliable/bin/pip install rliable "pandas<3"
    /tmp/rliable/bin/python tools/rliable_oracle.py > tests/core/oracles/rliable.json
"""

from __future__ import annotations

import json
import sys
from importlib.metadata import version

import numpy as np
from rliable import metrics  # type: ignore[import-not-found]  # in an environment of its own


def main() -> None:
    """Write JSON: the version, and for every case two matrices of scores and what they come to."""
    random, cases = np.random.default_rng(0), []
    for seeds, episodes in ((5, 20), (3, 7), (1, 10), (4, 1), (2, 3), (10, 100)):
        scores, base = random.normal(1.0, 2.0, size=(2, seeds, episodes))
        if seeds == 5:  # rewards of 0 and 1 tie
            scores, base = (scores > 1).astype(float), (base > 1.5).astype(float)
        found = {
            "iqm": metrics.aggregate_iqm(scores),
            "mean": metrics.aggregate_mean(scores),
            "median": metrics.aggregate_median(scores),
            "improvement": metrics.probability_of_improvement(scores, base),
        }
        figures = {name: float(value) for name, value in found.items()}
        cases.append({"scores": scores.tolist(), "base": base.tolist(), **figures})
    json.dump({"rliable": version("rliable"), "cases": cases}, sys.stdout)
    sys.stdout.write("\n")


if __name__ == "__main__":
    main()
