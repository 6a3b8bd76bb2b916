"""ASHA, asynchronous successive halving, the variant that promotes trials.

Li, Jamieson, Rostamizadeh, Gonina, Hardt, Recht and Talwalkar, "A System for Massively Parallel Hyperparameter Tuning"
(2020). A trial pauses at each rung. A worker that asks gets the best trial of the highest rung in which one is among
the best 1 / `reduction_factor` so far and has not been promoted, or else a new trial. So no worker ever waits.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from dodona_server.algorithms.contract.algorithm import Algorithm, Request, Suggestion, Suggestions, Traits
from dodona_server.algorithms.contract.options import check_names, integer
from dodona_server.algorithms.multi_fidelity.brackets import best_first
from dodona_server.algorithms.multi_fidelity.fidelity import MAX_EPOCHS, OPTIONS, fidelity_of
from dodona_server.algorithms.multi_fidelity.sampler import SAMPLER, sampler_of
from dodona_server.algorithms.multi_fidelity.trials import Rungs, RungTrial
from dodona_server.domain.studies.study import StudySpec

DEFAULT_FACTOR = 3


class Asha(Algorithm):
    """Suggests promotions as soon as there are any, and otherwise new points, without end.

    The trials of all workers count as soon as they are finished; nothing depends on those that are not.
    """

    # A trial outside the rungs would have no resource.
    traits = Traits(fallback=None)

    def check(self, spec: StudySpec) -> None:
        """See `Algorithm.check`."""
        check_names(spec, ("reduction_factor", *OPTIONS, SAMPLER))
        fidelity_of(spec, spec.space)
        _factor(spec)
        sampler_of(spec)

    def suggest(self, request: Request) -> Suggestions:
        """Return the next `count` points, each with its budget; see `Algorithm.suggest`."""
        spec, factor = request.problem.spec, _factor(request.problem.spec)
        fidelity = fidelity_of(spec, request.problem.whole or spec.space)
        resources = fidelity.growing(factor)
        rungs = Rungs(request, fidelity, sampler_of(spec))
        suggested: list[Suggestion] = []
        for number, trial in _promotable(rungs.trials, len(resources), factor):
            if len(suggested) == request.count:
                break
            suggestion = rungs.promote(trial, resources[number], 0, number)
            if suggestion is not None:
                suggested.append(suggestion)
        while len(suggested) < request.count:
            suggested.append(rungs.start(0, resources[0]))
        return Suggestions(suggested, rungs.note)


def _promotable(trials: Sequence[RungTrial], rungs: int, factor: int) -> Iterator[tuple[int, RungTrial]]:
    """Yield the trials that may be promoted, with the rung they go to, from the highest rung down, best first."""
    on: list[list[RungTrial]] = [[] for _ in range(rungs)]
    promoted = {trial.parent for trial in trials}
    for trial in trials:
        if trial.finished and trial.budget is not None and trial.budget.round < rungs:
            on[trial.budget.round].append(trial)
    for number in range(rungs - 1, 0, -1):
        best = best_first(on[number - 1])[: len(on[number - 1]) // factor]
        yield from ((number, trial) for trial in best if trial.number not in promoted)


def _factor(spec: StudySpec) -> int:
    return integer(spec, "reduction_factor", DEFAULT_FACTOR, 2, MAX_EPOCHS)
