"""Expected actions are what the model makes of every prefix of the plan, computed here one by one."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from tests.core.search_cases import random_case, random_context, random_goals
from tests.core.slow_tokens import cropped, next_logits

from ttf.expected import ExpectedActions
from ttf.sampling import Sampling
from ttf.search import BeamDecoder


@pytest.mark.parametrize("seed", range(30))
def test_every_action_is_expected_given_the_tokens_planned_before_it(seed: int) -> None:
    model, discretizer, settings, past = random_case(3 * seed)  # no goal
    layout = model.layout
    settings = replace(settings, stop="end", sampling=Sampling())
    context = random_context(model, discretizer, past, 3, seed)
    shown = 2 + seed % 2
    plain = BeamDecoder(model, discretizer, settings)
    plan = plain.plan(context, torch.Generator().manual_seed(seed))
    followed = 1 + seed % settings.horizon
    decoder = ExpectedActions(plain, model, discretizer, context=shown, followed=followed)
    expected = decoder.plan(context, torch.Generator().manual_seed(seed))
    assert plan.actions is None
    assert expected.tokens.equal(plan.tokens)
    assert expected.score.equal(plan.score)
    assert expected.actions is not None
    assert expected.actions.shape == (3, followed, layout.action)
    slow = replace(settings, limit=layout.block(min(shown, model.context)))
    for b in range(3):
        row = context[b, : past * layout.width].tolist()
        for t in range(followed):
            transition = plan.tokens[b, t].tolist()
            window = cropped(row + transition[: layout.reward], slow.limit, layout.width)
            for i, column in enumerate(range(layout.observation, layout.reward)):
                prefix = window[: len(window) - layout.action + i]
                logits = next_logits(model, discretizer, slow, prefix, column)
                probabilities = logits.detach().softmax(-1)[: discretizer.bins]
                value = float(discretizer.expectation(probabilities, column))
                if column < layout.acts.start:  # a subgoal is chosen
                    value = float(discretizer.decode(plan.tokens[b, t, column : column + 1], column))
                assert float(expected.actions[b, t, i]) == pytest.approx(value, rel=1e-9)
            row += transition


def test_goals_count_and_plans_of_some_contexts_keep_their_actions() -> None:
    model, discretizer, settings, past = random_case(11)
    assert model.layout.goal == 2
    context = random_context(model, discretizer, past, 2, 0)
    decoder = ExpectedActions(BeamDecoder(model, discretizer, settings), model, discretizer, context=3, followed=2)
    plans = [decoder.plan(context, torch.Generator().manual_seed(0), random_goals(model, 2, seed)) for seed in (1, 2)]
    first, second = (plan.actions for plan in plans)
    assert first is not None
    assert second is not None
    assert not first.equal(second)
    some = plans[0].select(torch.tensor([1]))
    assert some.actions is not None
    assert some.actions.equal(first[1:])
    assert some.tokens.equal(plans[0].tokens[1:])
    assert some.score.equal(plans[0].score[1:])
