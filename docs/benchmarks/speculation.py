"""Count the steps of plans with a run's model, token by token and speculated.

OMP_NUM_THREADS=1 python docs/benchmarks/speculation.py runs/NAME --set decoder.horizon=15 --set decoder.beam_width=128
"""

from __future__ import annotations

import argparse
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch

from ttf.analyse import load_subject
from ttf.beam import BeamDecoderConfig
from ttf.cli.report import open_run
from ttf.device import resolve_device
from ttf.recipe import load
from ttf.registry import load_registry
from ttf.search import BeamSearch
from ttf.testing.quiet import Quiet
from ttf.versions import machine, versions

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import Tensor

    from ttf.episodes import Rows
    from ttf.interfaces.discretizer import Discretizer
    from ttf.interfaces.model import SequenceModel, State

    Step = Callable[[Tensor, State], tuple[Tensor, State]]

CONTEXTS = 4
"""Plans, each from another place of the data."""


class Steps:
    """Counts how often a model is asked."""

    def __init__(self, model: SequenceModel) -> None:
        self.taken = 0
        model.step = self._counted(model.step)  # type: ignore[assignment, method-assign]
        model.read = self._counted(model.read)  # type: ignore[assignment, method-assign]

    def _counted(self, ask: Step) -> Step:
        def counted(tokens: Tensor, state: State) -> tuple[Tensor, State]:
            self.taken += 1
            return ask(tokens, state)

        return counted


def main() -> None:
    """Make the same plans both ways."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path)
    parser.add_argument("--set", dest="overrides", action="append", default=[], metavar="PATH=VALUE")
    arguments = parser.parse_args()
    run = open_run(arguments.run)
    recipe = load(run.recipe, load_registry(), arguments.overrides)
    if not isinstance(recipe.decoder, BeamDecoderConfig):
        sys.exit("Error: the recipe has no beam search; add --set 'decoder={kind: beam_search}'")
    subject, updates = load_subject(recipe, run, resolve_device(recipe.device), Quiet())
    model, discretizer = subject.model, subject.discretizer
    if model is None or discretizer is None:
        sys.exit(f"Error: {run.path} has no model")
    print(machine(), versions())
    print(f"{recipe.name}, {updates} updates; {CONTEXTS} plans of horizon {recipe.decoder.horizon} at once")
    past = min(recipe.decoder.context, model.context) - 1
    context = contexts(subject.unseen, discretizer, past)
    settings = recipe.decoder.settings(model, discount=recipe.data.discount)
    steps, plans, asked = Steps(model), [], []
    for speculate in ("off", "on"):
        search = BeamSearch(model, discretizer, replace(settings, speculate=speculate))
        uniforms = torch.rand(search.uniforms_shape(CONTEXTS), generator=torch.Generator().manual_seed(0))
        steps.taken, started = 0, time.process_time()
        plans.append(search.plan(context, uniforms.to(context.device)).tokens)
        seconds = time.process_time() - started
        asked.append(steps.taken)
        print(f"speculate {speculate}: the model is asked {steps.taken} times, {seconds:.1f} s")
    print(f"{int((plans[0] != plans[1]).sum())} of {plans[0].numel()} tokens differ")
    print(f"speculated, {asked[0] / asked[1]:.2f} tokens of a plan are settled a time")


def contexts(rows: Rows, discretizer: Discretizer, past: int) -> Tensor:
    """Tokens (CONTEXTS, past * D + O) of transitions that follow each other."""
    starts = rows.starts(past + 1, 1)
    chosen = starts[np.arange(CONTEXTS) * len(starts) // CONTEXTS]
    values = torch.from_numpy(rows.sequences(chosen, past + 1, 1)).to(discretizer.live.device)
    return discretizer.encode(values).flatten(1)[:, : discretizer.layout.prompt(past)]


if __name__ == "__main__":
    main()
