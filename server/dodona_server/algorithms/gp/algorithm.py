"""The Gaussian-process bandit, the default: learns from every trial where the next one promises most.

The work is done by the package `gp`, which is imported, and NumPy with it, when a suggestion is first asked for.
"""

from __future__ import annotations

import random
from collections.abc import Sequence

from dodona_server.algorithms.contract.algorithm import Problem, Suggestions
from dodona_server.algorithms.contract.options import no_options
from dodona_server.domain.errors import InvalidArgument
from dodona_server.domain.study import StudySpec
from dodona_server.domain.trial import Trial

MAX_OBJECTIVES = 4


class GpBandit:
    """Bayesian optimization by a Gaussian process and expected improvement; see the package `gp`."""

    inline = False
    one_by_one = True

    def check(self, spec: StudySpec) -> None:
        """See `Algorithm.check`."""
        no_options(spec)
        objectives = len(spec.objectives)
        if objectives > MAX_OBJECTIVES:
            raise InvalidArgument(
                f"{objectives} metrics to optimize; {spec.algorithm} takes at most {MAX_OBJECTIVES}", "metrics"
            )

    def suggest(
        self,
        problem: Problem,
        completed: Sequence[Trial],
        pending: Sequence[Trial],
        count: int,
        rng: random.Random,
    ) -> Suggestions:
        """The next `count` points; see `Algorithm.suggest`."""
        from dodona_server.algorithms.gp.bandit import suggest

        return suggest(problem, completed, pending, count, rng)
