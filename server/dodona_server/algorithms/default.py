"""The default: the algorithm of a study that names none."""

from __future__ import annotations

import random
from collections.abc import Sequence

from dodona_server.algorithms.contract.algorithm import Algorithm, Problem, Suggestions
from dodona_server.algorithms.evolution.nsga2 import Nsga2
from dodona_server.algorithms.gp.algorithm import MAX_OBJECTIVES, GpBandit
from dodona_server.domain.study import StudySpec
from dodona_server.domain.trial import Trial


class DefaultAlgorithm:
    """The Gaussian-process bandit; NSGA-II for more objectives than the bandit supports."""

    inline = False
    one_by_one = True

    def __init__(self) -> None:
        self._few: Algorithm = GpBandit()
        self._many: Algorithm = Nsga2()

    def _for(self, spec: StudySpec) -> Algorithm:
        return self._few if len(spec.objectives) <= MAX_OBJECTIVES else self._many

    def check(self, spec: StudySpec) -> None:
        """See `Algorithm.check`."""
        self._for(spec).check(spec)

    def suggest(
        self,
        problem: Problem,
        completed: Sequence[Trial],
        pending: Sequence[Trial],
        count: int,
        rng: random.Random,
    ) -> Suggestions:
        """Return the next points; see `Algorithm.suggest`."""
        return self._for(problem.spec).suggest(problem, completed, pending, count, rng)
