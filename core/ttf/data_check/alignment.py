"""Alignment: whether rows stand in the order in which things happened, each action in the row that it belongs to."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ttf.data_check.report import Finding, named_episodes, share

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from ttf.data_check.subject import Subject
    from ttf.interfaces.data import Episode

REPEATED = 0.05
"""Share of steps after which nothing at all has changed: simulated numbers differ in their last digits even where
something stands still, and none repeats in the shipped recipes' data."""

REPEATED_ENDS = 0.5
"""Share of episodes that begin, or end, with the same observation twice: chance makes few, recording code all."""

SAMPLED = 20_000
"""Steps that the actions are compared on."""

PER_COEFFICIENT = 20
"""Steps for each coefficient of the regression, below which nothing is said: chance alone then explains up to a
twentieth, :data:`EXPLAINS`."""

EXPLAINS, OWN_SHARE = 0.05, 0.5
"""A neighbour's action counts as the one that matters if it explains this share of what observations leave open of the
next one, and twice as much as the step's own. In data of mazes, of Ant and of Hopper, a step's own action explains more
than either neighbour, nine tenths as much even where half of the observation is hidden; shifted by a row it explains
between 0.05 and 0.6 of what the neighbour then does."""

UNRELATED, JUDGED = 0.8, 100
"""An observation looks unrelated to the one before it if they are this far apart, squared, in units of what two rows of
the same episode are on average. Shuffled rows are 1 apart; data of mazes, of Ant and of Hopper less than 0.003, in the
dimension that changes most slowly. From a hundred steps on, chance makes it no more than a tenth smaller or larger."""

ANSWERS, NOTHING = 1e-2, 1e-8
"""Shares of variance: below the first, actions follow from observations; below the second, only rounding is left."""


def repeats(subject: Subject) -> Iterator[Finding]:
    """Observations that stand twice: at the start, at the end, or all over."""
    if not (subject.deviations > 0).any():
        return
    yield from _repeated_starts(subject)
    yield from _repeated_ends(subject)
    still = np.concatenate([_unchanged(episode)[1:] for episode in subject.episodes])
    if len(still) and still.mean() > REPEATED:
        yield Finding(
            "repeated-observations",
            "warning",
            f"after {share(float(still.mean()))} of the steps the observation is exactly the same as before",
            "inside episodes",
            "rows stand twice, or the recording is faster than what it records: record each step once",
        )


def _unchanged(episode: Episode) -> NDArray[np.bool_]:
    """After which steps (T - 1,) nothing has changed."""
    unchanged: NDArray[np.bool_] = (episode.observations[1:] == episode.observations[:-1]).all(axis=1)
    return unchanged


def _repeated_starts(subject: Subject) -> Iterator[Finding]:
    twice = [n for n, one in zip(subject.numbers, subject.episodes, strict=True) if _unchanged(one)[0]]
    if len(twice) > 2 and len(twice) >= REPEATED_ENDS * len(subject.episodes):
        yield Finding(
            "repeated-start",
            "warning",
            f"{len(twice):,} of {len(subject.episodes):,} episodes begin with the same observation twice",
            named_episodes(twice),
            "store the observation of reset once: row t is what was seen before action t, else actions are off by one",
        )


def _repeated_ends(subject: Subject) -> Iterator[Finding]:
    pairs = zip(subject.numbers, subject.episodes, strict=True)
    ended = [(n, one.observations[-1], last) for n, one in pairs if (last := one.final_observation) is not None]
    twice = [n for n, before, after in ended if np.array_equal(before, after)]
    if len(twice) > 2 and len(twice) >= REPEATED_ENDS * len(ended):
        yield Finding(
            "repeated-end",
            "warning",
            f"{len(twice):,} of {len(ended):,} episodes end with the same observation before and after the last action",
            named_episodes(twice),
            "store what the last step returned as observation T, or leave that row out; do not repeat the row before",
        )


def order(subject: Subject) -> Iterator[Finding]:
    """Whether what is seen next is nearer to what was seen before than any other row of the episode."""
    if subject.lengths.sum() < JUDGED or not (subject.deviations > 0).any():
        return
    seen = [episode.observations.astype(np.float64) for episode in subject.episodes]
    apart = np.mean([(np.diff(rows, axis=0) ** 2).sum(axis=0) * len(rows) / (len(rows) - 1) for rows in seen], axis=0)
    usual = np.mean([2 * rows.var(axis=0, ddof=1) * len(rows) for rows in seen], axis=0)
    varying = usual > 0
    if varying.any() and (least := float((apart[varying] / usual[varying]).min())) > UNRELATED:
        yield Finding(
            "shuffled",
            "warning",
            f"two observations in a row are as far apart as any two of an episode: {least:.2f} times, squared",
            "in every dimension",
            "rows look shuffled, or made up: store steps in the order in which they happened",
        )


def shifts(subject: Subject) -> Iterator[Finding]:
    """Actions of the step before or after that explain what happens, where a step's own does not."""
    explained = explained_shares(subject.episodes)
    if explained is None:
        return
    before, own, after = explained
    neighbour = max(before, after)
    if neighbour > EXPLAINS and own < OWN_SHARE * neighbour:
        late = after > before
        yield Finding(
            "shifted-actions",
            "warning",
            f"actions look shifted by a step: of what observations t - 1 and t leave open of observation t + 1, "
            f"action t explains {share(own)}, action t {'+' if late else '-'} 1 explains {share(neighbour)}",
            "a linear fit over all episodes",
            "row t looks to hold what was seen after action t; store what was seen before it"
            if late
            else "row t looks to hold the action after the one that was taken there; store each action a row later",
        )


def explained_shares(episodes: Sequence[Episode]) -> tuple[float, float, float] | None:
    """Of what observations t - 1 and t leave open of observation t + 1, what actions t - 1, t and t + 1 explain each.

    By linear regression, each action alone, and of the dimension of the observation that it explains best. Two
    observations stand in for velocities that are not observed. None with too few steps, and where actions follow
    linearly from observations: a later action then tells of a later observation because it answers it.
    """
    pieces = _sampled(episodes)
    if pieces is None:
        return None
    base, actions, target = pieces
    now = base[:, target.shape[1] :]
    left = _residual(base, _standardised(target))
    open_dims = left.var(axis=0) > NOTHING
    if not open_dims.any() or _residual(now, _standardised(actions[:, 1])).var(axis=0).max() < ANSWERS:
        return None
    fresh = [_residual(base, _standardised(actions[:, k])) for k in range(3)]
    left = left[:, open_dims]
    before, own, after = (float((1 - _residual(part, left).var(axis=0) / left.var(axis=0)).max()) for part in fresh)
    return before, own, after


def _sampled(
    episodes: Sequence[Episode],
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]] | None:
    """What :func:`_quadruples` gives of some steps, the base standardised and with ones; None if those are too few."""
    pieces = [_quadruples(episode) for episode in episodes if len(episode) > 3]
    if not pieces:
        return None
    base, actions, target = (np.concatenate(parts) for parts in zip(*pieces, strict=True))
    chosen = np.linspace(0, len(base) - 1, min(SAMPLED, len(base))).astype(np.int64)
    if len(chosen) < PER_COEFFICIENT * (base.shape[1] + actions.shape[2]):
        return None
    given = np.column_stack([_standardised(base[chosen]), np.ones(len(chosen))])
    return given, actions[chosen], target[chosen]


def _quadruples(episode: Episode) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Observations t - 1 and t (n, 2 O), actions t - 1, t and t + 1 (n, 3, A), and observation t + 1 (n, O)."""
    seen, acted = episode.observations.astype(np.float64), episode.actions.astype(np.float64)
    base = np.concatenate([seen[:-2], seen[1:-1]], axis=1)
    return base, np.stack([acted[:-2], acted[1:-1], acted[2:]], axis=1), seen[2:]


def _standardised(values: NDArray[np.float64]) -> NDArray[np.float64]:
    deviation = values.std(axis=0)
    standardised: NDArray[np.float64] = (values - values.mean(axis=0)) / np.where(deviation > 0, deviation, 1.0)
    return standardised


def _residual(given: NDArray[np.float64], wanted: NDArray[np.float64]) -> NDArray[np.float64]:
    """What a linear fit of wanted (n, m) by given (n, k) leaves open."""
    coefficients = np.linalg.lstsq(given, wanted, rcond=1e-10)[0]
    residual: NDArray[np.float64] = wanted - given @ coefficients
    return residual
