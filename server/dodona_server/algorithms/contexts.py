"""Suggestions within contexts: values that the requested trials must have."""

from __future__ import annotations

import dataclasses
import random
from collections.abc import Mapping, Sequence

from dodona_server.algorithms.contract.algorithm import Algorithm, Problem, Suggestions
from dodona_server.algorithms.registry import fallback_for
from dodona_server.algorithms.simple.random_search import sample
from dodona_server.domain.space import SearchSpace, Value
from dodona_server.domain.trial import Trial, TrialState


def suggest_in(
    spaces: Sequence[SearchSpace],
    algorithm: Algorithm,
    problem: Problem,
    completed: Sequence[Trial],
    pending: Sequence[Trial],
    count: int,
    rng: random.Random,
) -> Suggestions:
    """Return the next `count` points to try, divided among the parts of the search space that contexts allow.

    Args:
        spaces: the parts; empty for the whole space.
        algorithm: searches each part.
        problem: of the whole study.
        completed: see `Algorithm.suggest`.
        pending: see `Algorithm.suggest`.
        count: see `Algorithm.suggest`.
        rng: see `Algorithm.suggest`.
    """
    if not spaces:
        return algorithm.suggest(problem, completed, pending, count, rng)
    points: list[Mapping[str, Value]] = []
    wait, notes = False, list[str]()
    number = 1 + max((trial.number for trials in (completed, pending) for trial in trials), default=0)
    for index, space in enumerate(spaces[:count]):
        share = len(range(index, count, len(spaces)))
        spec = dataclasses.replace(problem.spec, space=space)
        position = problem.position + len(points)
        part = dataclasses.replace(problem, spec=spec, position=position, whole=problem.spec.space)
        # Parts may overlap and contexts may be equal: each part has to know the points of the others.
        ahead = [Trial(number + index, TrialState.REQUESTED, point) for index, point in enumerate(points)]
        answer = algorithm.suggest(part, completed, [*pending, *ahead], share, rng)
        points += answer.parameters
        notes += [answer.note] if answer.note else []
        if not answer.wait and fallback_for(spec.algorithm) is not None:
            # A context may leave few points or one. That does not end the search: points are repeated. Only an
            # algorithm without a fallback ends it.
            points += [sample(space, rng) for _ in range(share - len(answer.parameters))]
        wait = wait or answer.wait
    return Suggestions(points, "; ".join(dict.fromkeys(notes)), wait)
