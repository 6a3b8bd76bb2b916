"""Suggestions within contexts: values that some of the trials must have."""

from __future__ import annotations

import dataclasses
import random
from collections.abc import Mapping, Sequence

from dodona_server.algorithms.contract.algorithm import Algorithm, Problem, Suggestions
from dodona_server.algorithms.registry import stand_in
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
    """The next `count` points to try, shared out among the parts of the search space that contexts leave.

    Args:
        spaces: the parts; none for the whole space.
        algorithm: searches each of them.
        problem: that of the whole study.
        completed: as of `Algorithm.suggest`.
        pending: likewise.
        count: likewise.
        rng: likewise.
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
        # The parts may overlap, and contexts be the same: each has to know what the others suggest.
        ahead = [Trial(number + index, TrialState.REQUESTED, point) for index, point in enumerate(points)]
        answer = algorithm.suggest(part, completed, [*pending, *ahead], share, rng)
        points += answer.parameters
        notes += [answer.note] if answer.note else []
        if not answer.wait and stand_in(spec.algorithm) is not None:
            # What a context fixes leaves few points or one, which is no end of the search: they come again. Only where
            # nothing may stand in for the algorithm is its end the end.
            points += [sample(space, rng) for _ in range(share - len(answer.parameters))]
        wait = wait or answer.wait
    return Suggestions(points, "; ".join(dict.fromkeys(notes)), wait)
