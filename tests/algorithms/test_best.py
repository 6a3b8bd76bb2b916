"""A study that names no algorithm is searched by the one that suits it."""

from __future__ import annotations

import random

import pytest

from dodona_server.algorithms.registry import ALGORITHMS, Problem, Request
from dodona_server.domain.space import Double, Parameter, SearchSpace
from dodona_server.domain.studies.study import Goal, Metric, Safety, StudySpec

SPACE = SearchSpace((Parameter("x", Double(0.0, 1.0)),))


@pytest.mark.parametrize(
    ("objectives", "constraints", "name"),
    [(1, 0, "GP_BANDIT"), (4, 1, "GP_BANDIT"), (5, 0, "NSGA2"), (0, 2, "GP_BANDIT"), (0, 5, "NSGA2")],
)
def test_the_number_of_objectives_decides(objectives, constraints, name):
    metrics = [Metric(f"m{index}", Goal.MINIMIZE) for index in range(objectives)]
    metrics += [Metric(f"limit{index}", Goal.MINIMIZE, Safety(1.0)) for index in range(constraints)]
    spec = StudySpec(tuple(metrics), SPACE)
    best, named = ALGORITHMS["ALGORITHM_UNSPECIFIED"], ALGORITHMS[name]
    best.check(spec)
    answers = [one.suggest(Request(Problem(spec, seed=3), (), (), 2, random.Random(3))) for one in (best, named)]
    assert answers[0] == answers[1]
    assert len(answers[0].parameters) == 2
