"""Every planted fault is found, and called what it is."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from tests.core.data_check.faults import FAULTS, Fault
from tests.core.data_check.planted import finding, report_of

from ttf.data_check.report import LEVELS

if TYPE_CHECKING:
    from ttf.data_check.report import Level

EXPECTED: dict[str, tuple[Level, str, str]] = {
    "empty": (
        "error",
        "there are no episodes",
        "the whole data set",
    ),
    "not-finite": (
        "error",
        "5 values are NaN or infinite: 4 in observations, 1 in rewards",
        "episodes 3, 8; the first: episode 3, step 17: observations[2] is nan",
    ),
    "too-short": (
        "error",
        "218 of 218 episodes have fewer than 2 steps",
        "episodes 0, 1, 2, 3, 4 and 213 more",
    ),
    "too-short/some": (
        "error",
        "2 of 122 episodes have fewer than 2 steps",
        "episodes 120, 121",
    ),
    "malformed/widths": (
        "error",
        "1 episode cannot be read; episode 5: observations have 4 dimensions, those of episode 0 have 3",
        "episode 5",
    ),
    "malformed/lengths": (
        "error",
        "1 episode cannot be read; episode 2: 199 actions but 200 rewards",
        "episode 2",
    ),
    "limits-as-terminations": (
        "warning",
        "38 of 52 terminated episodes end after exactly 200 steps, the time limit of Pendulum-v1",
        "episodes 0, 1, 2, 3, 4 and 33 more",
    ),
    "limits-as-terminations/no-environment": (
        "warning",
        "79 of 79 terminated episodes end after exactly 100 steps, the same for all",
        "episodes 0, 1, 2, 3, 4 and 74 more",
    ),
    "missing-ends": (
        "warning",
        "all 15,668 steps are one episode",
        "episode 0",
    ),
    "missing-ends/limit": (
        "warning",
        "episodes are longer than Pendulum-v1 lets them be: 218 steps, its limit is 200",
        "episode 0",
    ),
    "no-terminations": (
        "warning",
        "no episode terminates, yet they end after 21 to 200 steps",
        "81 of 120 episodes end before the longest does",
    ),
    "reset-inside": (
        "warning",
        "103 steps inside episodes look like the start of another one: everything jumps",
        "step 21 of episode 0, step 218 of episode 0, step 418 of episode 0, step 701 of episode 0, step 732 "
        "of episode 0 and 98 more",
    ),
    "duplicates": (
        "warning",
        "30 of 150 episodes are exact copies of earlier ones",
        "episode 120 is episode 10, episode 121 is episode 11, episode 122 is episode 12, episode 123 is "
        "episode 13, episode 124 is episode 14 and 25 more",
    ),
    "duplicates/few": (
        "note",
        "1 of 121 episodes are exact copies of earlier ones",
        "episode 120 is episode 7",
    ),
    "few-transitions": (
        "warning",
        "2,744 transitions; the shipped recipes have 120,000 to 1,000,000",
        "20 episodes",
    ),
    "short-episodes": (
        "warning",
        "100% of the episodes are shorter than the 40 steps of a training window (model.context 40, "
        "data.stride 1); the rest of it is padding",
        "episodes 0, 1, 2, 3, 4 and 115 more",
    ),
    "constant": (
        "note",
        "1 of 4 dimensions of the observation never changes",
        "observation[3]",
    ),
    "constant/action": (
        "warning",
        "1 dimension of the action never changes",
        "action[0]",
    ),
    "constant/everything": (
        "error",
        "no dimension of the observation ever changes",
        "observation[0], observation[1], observation[2]",
    ),
    "coarse-floats": (
        "warning",
        "values up to 1.7e+09 span 256, of which float32 tells 2 apart",
        "observations[3]",
    ),
    "heavy-tails": (
        "note",
        "of 100 bins of equal width, the values would use 1.2 and more",
        "observation[3]",
    ),
    "heavy-tails/recipe": (
        "warning",
        "of 100 bins, the values use 1.2 and more",
        "observation[3]",
    ),
    "dead-bins": (
        "note",
        "up to 67 of 100 bins hold no value",
        "observation[3]",
    ),
    "few-per-bin": (
        "warning",
        "bins hold 8 values on average",
        "observation[0], observation[1], observation[2], action[0], reward and 1 more",
    ),
    "coarse-bins": (
        "warning",
        "a value and what its token decodes to differ by up to 86 % of the standard deviation, on average",
        "observation[0], observation[1], observation[2], action[0], reward and 1 more",
    ),
    "shuffled": (
        "warning",
        "two observations in a row are as far apart as any two of an episode: 0.99 times, squared",
        "in every dimension",
    ),
    "repeated-start": (
        "warning",
        "120 of 120 episodes begin with the same observation twice",
        "episodes 0, 1, 2, 3, 4 and 115 more",
    ),
    "repeated-end": (
        "warning",
        "120 of 120 episodes end with the same observation before and after the last action",
        "episodes 0, 1, 2, 3, 4 and 115 more",
    ),
    "repeated-observations": (
        "warning",
        "after 50% of the steps the observation is exactly the same as before",
        "inside episodes",
    ),
    "shifted-actions/late": (
        "warning",
        "actions look shifted by a step: of what observations t - 1 and t leave open of observation t + 1, "
        "action t explains 0.0%, action t + 1 explains 98%",
        "a linear fit over all episodes",
    ),
    "shifted-actions/early": (
        "warning",
        "actions look shifted by a step: of what observations t - 1 and t leave open of observation t + 1, "
        "action t explains 4%, action t - 1 explains 98%",
        "a linear fit over all episodes",
    ),
    "actions-out-of-bounds": (
        "warning",
        "42% of the actions are beyond the bounds of Pendulum-v1: actions[0] goes from -6 to 6, its bounds "
        "are -2 and 2",
        "actions[0]",
    ),
    "small-actions": (
        "warning",
        "actions use 1.0% of the range that Pendulum-v1 allows",
        "actions[0]",
    ),
    "saturated-actions": (
        "warning",
        "90% of the actions are at a bound",
        "actions[0]",
    ),
    "saturated-actions/no-environment": (
        "warning",
        "90% of the actions are at a bound",
        "actions[0]",
    ),
    "constant-rewards": (
        "warning",
        "every reward is 0",
        "all steps",
    ),
    "sparse-rewards": (
        "note",
        "0.8% of the steps have a reward other than 0",
        "120 steps",
    ),
    "discount": (
        "warning",
        "with a discount of 0.95, a reward after 129 steps counts 0.001 of itself at the start, less than a bin",
        "the median episode that has one",
    ),
    "discount/dense": (
        "note",
        "with a discount of 0.8, values look about 5 steps ahead",
        "episodes have 130 steps (median)",
    ),
    "refused": (
        "error",
        "there is a single episode to learn from; set training.validation_fraction to 0 to hold none out",
        "the data as the recipe has it",
    ),
    "environment/none": (
        "note",
        "the data set names no environment: a model can be trained and asked for plans, but not be evaluated",
        "planted",
    ),
    "environment/unknown": (
        "warning",
        "environment 'Pendulun-v1' is not registered; did you mean 'Pendulum-v1'?",
        "planted",
    ),
    "environment/other": (
        "warning",
        "observations of environment 'MountainCarContinuous-v0' have 2 dimensions, those of the data 3",
        "planted",
    ),
    "environment/recipe": (
        "error",
        "observations of environment 'MountainCarContinuous-v0' have 2 dimensions, those of the data 3",
        "environment of the recipe",
    ),
}


def test_every_fault_has_its_words() -> None:
    assert list(EXPECTED) == [fault.name for fault in FAULTS]
    assert len(FAULTS) > 40


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
def test_a_planted_fault_is_found_and_called_what_it_is(fault: Fault) -> None:
    report = report_of(fault.plant(), fault.place, **fault.sections)
    found = finding(report, fault.name.partition("/")[0])
    assert (found.level, found.what, found.where) == EXPECTED[fault.name]
    assert len(found.advice) > 20
    levels = [LEVELS.index(one.level) for one in report.findings]
    assert levels == sorted(levels)
