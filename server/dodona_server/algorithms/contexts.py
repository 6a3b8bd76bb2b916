"""Suggestions within contexts: values that the requested trials must have."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from dodona_server.algorithms.contract.algorithm import Algorithm, Request, Suggestion, Suggestions
from dodona_server.algorithms.simple.sampling import sample
from dodona_server.domain.space import SearchSpace
from dodona_server.domain.trials.trial import Trial, TrialState

REPEATED = "a random point of the context, in which no other is left"


def suggest_in(spaces: Sequence[SearchSpace], algorithm: Algorithm, request: Request) -> Suggestions:
    """Return the next points to try, divided among the parts of the search space that contexts allow.

    Args:
        spaces: the parts; empty for the whole space.
        algorithm: searches each part.
        request: for the whole study.
    """
    if not spaces:
        return algorithm.suggest(request)
    problem, count = request.problem, request.count
    found: list[Suggestion] = []
    wait, late, notes = False, False, list[str]()
    number = 1 + max(
        (trial.number for trials in (request.completed, request.stopped, request.pending) for trial in trials),
        default=0,
    )
    for index, space in enumerate(spaces[:count]):
        share = len(range(index, count, len(spaces)))
        spec = dataclasses.replace(problem.spec, space=space)
        part = dataclasses.replace(problem, spec=spec, position=problem.position + len(found), whole=problem.spec.space)
        # Parts may overlap and contexts may be equal: each part has to know the points of the others.
        pending = [*request.pending, *as_trials(found, number)]
        answer = algorithm.suggest(dataclasses.replace(request, problem=part, pending=pending, count=share))
        found += answer.suggestions
        notes += [answer.note] if answer.note else []
        if not (answer.wait or answer.late) and algorithm.traits.fallback is not None:
            # A context may leave few points or one. That does not end the search: points are repeated. Only an
            # algorithm without a fallback ends it.
            missing = share - len(answer.suggestions)
            found += [Suggestion(sample(space, request.rng), REPEATED) for _ in range(missing)]
        wait, late = wait or answer.wait, late or answer.late
    return Suggestions(found, "; ".join(dict.fromkeys(notes)), wait, late)


def as_trials(suggestions: Sequence[Suggestion], first: int) -> list[Trial]:
    """Return the suggestions as trials that no worker has yet, numbered from `first` on."""
    return [Trial(first + index, TrialState.REQUESTED, one.stored) for index, one in enumerate(suggestions)]
