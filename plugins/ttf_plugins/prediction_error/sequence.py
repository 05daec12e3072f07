"""Predict with a sequence model, which continues recorded transitions token by token."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, final

import torch

from ttf.sampling import draw
from ttf_plugins.prediction_error.question import Answer

if TYPE_CHECKING:
    from torch import Tensor

    from ttf.interfaces.discretizer import Discretizer
    from ttf.interfaces.model import SequenceModel, State
    from ttf.interfaces.progress import Progress, Task
    from ttf_plugins.prediction_error.question import Question

ROWS_AT_ONCE = 1024
"""Rollouts that are read in one batch."""

NARROWEST = 1e-6
"""Least width of a bin, in standard deviations of its column, so that every density is finite."""


@final
class SequencePredictor:
    """The model, shown its last ``context`` transitions, the one being written among them.

    It writes states, rewards and values, and actions too where none are replayed: what the recording knows of rewards
    and values to come is not shown to it, nor is a goal. Dead bins and the end of the episode are ruled out, as the
    recording goes on.
    """

    def __init__(self, model: SequenceModel, discretizer: Discretizer, context: int) -> None:
        self.model, self.discretizer, self.context = model, discretizer, context

    @torch.inference_mode()
    def predict(self, question: Question, seed: int, progress: Progress) -> Answer:
        """Roll out from every start, in turns of at most ``ROWS_AT_ONCE`` rollouts."""
        at_once = max(1, ROWS_AT_ONCE // question.rollouts)
        turns = [slice(first, first + at_once) for first in range(0, len(question.recorded), at_once)]
        generator = torch.Generator().manual_seed(seed)
        name = f"predicting with {self.context} transitions"
        with progress.task(name, len(turns) * question.steps, unit="steps") as task:
            answers = [_Rollout(self, question, turn, generator).run(task) for turn in turns]
        likelihoods = [answer.likelihood for answer in answers if answer.likelihood is not None]
        return Answer(
            torch.cat([answer.states for answer in answers]),
            torch.cat([answer.actions for answer in answers]),
            torch.cat(likelihoods) if likelihoods else None,
        )


class _Rollout:
    """R = S * K rollouts from some of the starts; rollout k of start s is row ``s * K + k``."""

    def __init__(
        self, predictor: SequencePredictor, question: Question, starts: slice, generator: torch.Generator
    ) -> None:
        self._model, self._discretizer, self._context = predictor.model, predictor.discretizer, predictor.context
        self._question, self._layout, self._generator = question, question.layout, generator
        recorded = self._discretizer.encode(question.recorded[starts])
        self._recorded = recorded.repeat_interleave(question.rollouts, 0)  # (R, history + 1 + steps, D)
        self._written = self._recorded[:, : question.history]  # (R, n, D): whole transitions
        self._log_widths = self._densities()
        self._begin()

    def run(self, task: Task) -> Answer:
        """Write all transitions."""
        question, layout, states, actions, likelihoods = self._question, self._layout, [], [], []
        state = self._recorded[:, question.history, layout.observations]
        self._unread.append(state)
        for step in range(question.history, question.history + question.steps):
            action = self._act(step)
            rest = self._write(slice(layout.reward, layout.width))
            self._written = torch.cat([self._written, torch.cat([state, action, rest], 1).unsqueeze(1)], 1)
            self._begin()
            if question.replay:
                likelihoods.append(self._likelihood(self._recorded[:, step + 1, layout.observations]))
            state = self._write(layout.observations)
            states.append(state)
            actions.append(action)
            task.advance()
        return Answer(
            self._decoded(states, layout.observations),
            self._decoded(actions, layout.actions),
            torch.stack(likelihoods, 1) if likelihoods else None,
        )

    def _begin(self) -> None:
        """Begin a transition after the last ones that the model is shown."""
        shown = self._written[:, -(self._context - 1) :].flatten(1)
        self._state: State = self._model.start(len(shown), self._layout.block(self._context))
        self._unread = [shown]
        self._logits = shown.new_zeros(0)

    def _next(self) -> Tensor:
        """Logits (R, bins) of the next token."""
        if self._unread:
            logits, self._state = self._model.step(torch.cat(self._unread, 1), self._state)
            self._unread, self._logits = [], logits[:, -1, : self._discretizer.bins]
        return self._logits

    def _act(self, step: int) -> Tensor:
        """Replay or write the action tokens (R, A) of a transition."""
        if not self._question.replay:
            return self._write(self._layout.actions)
        action = self._recorded[:, step, self._layout.actions]
        self._unread.append(action)
        return action

    def _write(self, columns: slice) -> Tensor:
        """Write the tokens (R, n) of some columns."""
        tokens = []
        for column in range(self._layout.width)[columns]:
            logits = self._next().masked_fill(~self._discretizer.live[column], -torch.inf)
            tokens.append(self._chosen(logits).unsqueeze(1))
            self._unread.append(tokens[-1])
        return torch.cat(tokens, 1)

    def _chosen(self, logits: Tensor) -> Tensor:
        if not self._question.sample:
            return logits.argmax(-1)
        return draw(logits.softmax(-1), torch.rand(len(logits), generator=self._generator).to(logits.device))

    def _likelihood(self, state: Tensor) -> Tensor:
        """Log-likelihood (S,) of the true state's tokens (R, O) under the mixture of the rollouts."""
        logits = self._next().unsqueeze(1)  # (R, 1, bins)
        if state.shape[1] > 1:
            fork = self._state.repeat(1)
            rest = self._model.step(state[:, :-1], fork)[0][..., : self._discretizer.bins]
            logits = torch.cat([logits, rest], 1)  # (R, O, bins)
        dead = ~self._discretizer.live[self._layout.observations]
        logs = logits.masked_fill(dead, -torch.inf).log_softmax(-1) - self._log_widths
        chosen = logs.gather(-1, state.unsqueeze(-1)).squeeze(-1)[:, self._question.varying]
        rollouts = self._question.rollouts
        return chosen.sum(1).view(-1, rollouts).logsumexp(1) - math.log(rollouts)

    def _densities(self) -> Tensor:
        """Logarithms of the widths (O, bins) of the state's bins."""
        widths = self._discretizer.widths()[self._layout.observations].float().to(self._question.deviation.device)
        least = (NARROWEST * self._question.deviation).clamp(min=torch.finfo(torch.float32).tiny)
        return widths.clamp(min=least.unsqueeze(1)).log()

    def _decoded(self, tokens: list[Tensor], columns: slice) -> Tensor:
        """Values (S, K, steps, n) of tokens (R, n), one tensor a step."""
        values = self._discretizer.decode(torch.stack(tokens, 1), columns.start)
        return values.view(-1, self._question.rollouts, *values.shape[1:])
