"""Layout: where observation, action, reward and value sit in a transition; the only owner of indices."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

__all__ = ["Layout"]


@dataclass(frozen=True)
class Layout:
    """The columns of one transition, ``[observation | action | reward | value]``.

    A trajectory is the transitions one after the other; the token at flat position ``p`` belongs to the
    column ``p mod width``, its *slot*.
    """

    observation: int
    """Number of observation dimensions, O."""

    action: int
    """Number of action dimensions, A, those of a subgoal included."""

    goal_columns: tuple[int, ...] = ()
    """Columns of the observation that goals are about. A goal's tokens stand before the trajectory, with a table of
    their own, and are no part of a transition."""

    subgoal_columns: tuple[int, ...] = ()
    """Columns of the observation that subgoals are about. A subgoal is the first part of every action: it is planned
    like the rest, and not carried out."""

    @property
    def subgoal(self) -> int:
        """Number of subgoal dimensions, S."""
        return len(self.subgoal_columns)

    @property
    def executed(self) -> int:
        """Number of action dimensions that are carried out, A - S."""
        return self.action - self.subgoal

    @property
    def goal(self) -> int:
        """Number of goal dimensions, G."""
        return len(self.goal_columns)

    @property
    def width(self) -> int:
        """Columns of a transition, D = O + A + 2."""
        return self.observation + self.action + 2

    @property
    def observations(self) -> slice:
        """Columns of the observation."""
        return slice(0, self.observation)

    @property
    def actions(self) -> slice:
        """Columns of the action."""
        return slice(self.observation, self.observation + self.action)

    @property
    def subgoals(self) -> slice:
        """Columns of the subgoal, the first ones of the action."""
        return slice(self.observation, self.observation + self.subgoal)

    @property
    def acts(self) -> slice:
        """Columns of what is carried out, the rest of the action."""
        return slice(self.observation + self.subgoal, self.observation + self.action)

    @property
    def reward(self) -> int:
        """Column of the reward."""
        return self.observation + self.action

    @property
    def value(self) -> int:
        """Column of the value, the discounted sum of the rewards after this one."""
        return self.width - 1

    @cached_property
    def names(self) -> tuple[str, ...]:
        """One name a column, for tables and figures."""
        observations = [f"observation[{i}]" for i in range(self.observation)]
        subgoals = [f"subgoal[{i}]" for i in range(self.subgoal)]
        actions = [f"action[{i}]" for i in range(self.executed)]
        return (*observations, *subgoals, *actions, "reward", "value")

    def slots(self, length: int, start: int = 0) -> list[int]:
        """Slots of ``length`` consecutive tokens, the first one at flat position ``start``."""
        return [position % self.width for position in range(start, start + length)]

    def block(self, transitions: int) -> int:
        """Tokens a model reads to predict every token of ``transitions`` but the first."""
        return transitions * self.width - 1

    def prompt(self, transitions: int) -> int:
        """Tokens of so many whole transitions and the observation after them, from which a planner goes on."""
        return transitions * self.width + self.observation

    def dropped(self, length: int, limit: int) -> int:
        """Tokens to drop from the left of ``length``, in whole transitions, so that no more than ``limit`` are left."""
        return -(-max(0, length - limit) // self.width) * self.width
