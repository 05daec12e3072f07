"""Which trials run side by side, and which ones after others."""

from __future__ import annotations

from typing import TYPE_CHECKING, final

from tests.core.ablate.test_comparison import SEEDS, SWAPS, tiny_study
from tests.core.toys import Quiet

from ttf.ablate.launching import launch
from ttf.ablate.study_dir import create_study
from ttf.interfaces.launcher import Job, Launcher
from ttf_plugins.beam_search import BeamSearchConfig

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

NARROW = {"narrow": {"decoder": BeamSearchConfig(horizon=3, beam_width=2, expand=2, context=3)}}


@final
class HangingLauncher(Launcher):
    """Whatever it runs hangs, and is ended at the time limit."""

    def __init__(self) -> None:
        self.ran: list[list[str]] = []

    def run(self, jobs: Sequence[Job], ended: Callable[[Job, str | None], None]) -> None:
        self.ran.append([job.name for job in jobs])
        for job in jobs:
            ended(job, "still ran after 1 minutes")


def test_a_trial_does_not_start_while_another_one_trains_what_it_needs(tmp_path: Path) -> None:
    study, launcher = tiny_study(SWAPS | NARROW), HangingLauncher()
    launch(study, create_study(tmp_path, study), launcher, tmp_path, Quiet())
    waves = [["as given", "discretizer=uniform"], ["wide"], ["narrow"]]  # each trains what those before it have not
    assert launcher.ran == [[f"{cell}, seed {seed}" for cell in cells for seed in SEEDS] for cells in waves]
