"""Gaussian-process bandit, the default algorithm.

The other modules of the package, and NumPy with them, are imported at the first call of `suggest`.
"""

from __future__ import annotations

from dodona_server.algorithms.contract.algorithm import Algorithm, Request, Suggestions, Traits
from dodona_server.algorithms.contract.options import no_options
from dodona_server.domain.errors import InvalidArgument
from dodona_server.domain.studies.study import StudySpec

MAX_OBJECTIVES = 4


class GpBandit(Algorithm):
    """Bayesian optimization with a Gaussian process and expected improvement; see the package `gp`."""

    traits = Traits(one_by_one=True, needs_curves=True, uses_priors=True)

    def check(self, spec: StudySpec) -> None:
        """See `Algorithm.check`."""
        no_options(spec)
        objectives = len(spec.objectives)
        if objectives > MAX_OBJECTIVES:
            raise InvalidArgument(
                f"{objectives} metrics to optimize; {spec.algorithm} supports at most {MAX_OBJECTIVES}", "metrics"
            )

    def suggest(self, request: Request) -> Suggestions:
        """Return the next `count` points; see `Algorithm.suggest`."""
        from dodona_server.algorithms.gp.bandit import suggest

        return suggest(request)
