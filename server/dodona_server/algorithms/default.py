"""Default algorithm, for a study that names none."""

from __future__ import annotations

from dodona_server.algorithms.contract.algorithm import Algorithm, Request, Suggestions
from dodona_server.algorithms.evolution.nsga2 import Nsga2
from dodona_server.algorithms.gp.algorithm import MAX_OBJECTIVES, GpBandit
from dodona_server.domain.studies.study import StudySpec


def has_many_objectives(spec: StudySpec) -> bool:
    """Return whether the study has more objectives than the bandit supports."""
    return len(spec.objectives) > MAX_OBJECTIVES


class DefaultAlgorithm(Algorithm):
    """Gaussian-process bandit; NSGA-II for more objectives than the bandit supports."""

    traits = GpBandit.traits

    def __init__(self) -> None:
        self._few: Algorithm = GpBandit()
        self._many: Algorithm = Nsga2()

    def _for(self, spec: StudySpec) -> Algorithm:
        return self._many if has_many_objectives(spec) else self._few

    def check(self, spec: StudySpec) -> None:
        """See `Algorithm.check`."""
        self._for(spec).check(spec)

    def suggest(self, request: Request) -> Suggestions:
        """Return the next points; see `Algorithm.suggest`."""
        return self._for(request.problem.spec).suggest(request)
