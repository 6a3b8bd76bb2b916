"""Freeze-thaw: trainings pause at rungs, and the one that most likely ends as the best of all continues.

Swersky, Snoek and Adams, "Freeze-Thaw Bayesian Optimization" (2014), had the idea: a model of learning curves decides
which paused training continues, and when a new one is worth more. The model is that of the stopping rules,
`dodona_server.curve_model`, on the results at the rungs; it learns from the hyperparameters too.

    chance    of a configuration to end as the best of all, by the model; 1 / (n + 1) for a new one after n others
    price     the resource that the chance costs: what is left of its training; for a new one the mean of what each has
              got so far, as most pause early
"""

from __future__ import annotations

import math

from dodona_server.algorithms.contract.algorithm import Algorithm, Request, Suggestion, Suggestions, Traits
from dodona_server.algorithms.contract.options import check_names, integer
from dodona_server.algorithms.multi_fidelity.fidelity import OPTIONS, Fidelity, fidelity_of
from dodona_server.algorithms.multi_fidelity.sampler import SAMPLER, sampler_of
from dodona_server.algorithms.multi_fidelity.trials import Rungs
from dodona_server.domain.studies.study import StudySpec

INITIAL_TRIALS = "initial_trials"
MAX_TRIALS = 1_000_000
# The share of all epochs that the first rung has: before it, curves of trainings cross most.
FIRST_SHARE = 0.06
# Each rung has about this many times the resource of the one before.
RATIO = 2.0
# A configuration with less of a chance does not continue.
LEAST_CHANCE = 0.003
_BRACKET = 0


class FreezeThaw(Algorithm):
    """Suggests to continue the configuration whose chance is cheapest, or a new one if that is cheaper still.

    After `initial_trials` configurations the search ends when none of them has a chance left. Without that option it
    continues with new ones. Nobody waits before the end.
    """

    # A trial outside the rungs would have no resource.
    traits = Traits(fallback=None)

    def check(self, spec: StudySpec) -> None:
        """See `Algorithm.check`."""
        check_names(spec, (INITIAL_TRIALS, *OPTIONS, SAMPLER))
        fidelity_of(spec, spec.space, FIRST_SHARE)
        _limit(spec)
        sampler_of(spec)

    def suggest(self, request: Request) -> Suggestions:
        """Return the next `count` points, each with its budget; see `Algorithm.suggest`."""
        # It imports NumPy, which the server's own process does without.
        from dodona_server.algorithms.multi_fidelity.configurations import configurations_of, likeliest

        spec, limit = request.problem.spec, _limit(request.problem.spec)
        fidelity = fidelity_of(spec, request.problem.whole or spec.space, FIRST_SHARE)
        resources, rungs = resources_of(fidelity), Rungs(request, fidelity, sampler_of(spec))
        configurations = configurations_of(rungs.trials)
        count = len(configurations)
        price = sum(one.resource for one in configurations) / max(count, 1)
        paused = [
            ((fidelity.most - configurations[index].resource) / chance, chance, configurations[index])
            for index, chance in likeliest(spec.space, configurations, resources).items()
            if chance >= LEAST_CHANCE
        ]
        paused.sort(key=lambda one: one[0], reverse=True)
        enough = limit if limit is not None else _half_of_the_budget(spec)
        suggested: list[Suggestion] = []
        while len(suggested) < request.count:
            if paused and (count >= enough or paused[-1][0] <= price * (count + 1)):
                _, chance, configuration = paused.pop()
                rung, reason = len(configuration.merits), _reason(chance, count)
                last = configuration.last
                found = rungs.continued(last, last.values, resources[rung], _BRACKET, rung, reason)
                suggested += [] if found is None else [found]
            elif limit is None or count < limit:
                suggested.append(rungs.start(_BRACKET, resources[0]))
                count += 1
            else:
                break
        under_way = bool(suggested) or any(one.runs for one in configurations)
        return Suggestions(suggested, rungs.note, wait=under_way and len(suggested) < request.count)


def resources_of(fidelity: Fidelity) -> list[int | float]:
    """Return the resources of the rungs, evenly spaced on a logarithmic scale."""
    ratio = fidelity.most / fidelity.least
    steps = max(1, round(math.log(ratio, RATIO)))
    return fidelity.distinct(fidelity.least * ratio ** (step / steps) for step in range(steps + 1))


def _reason(chance: float, count: int) -> str:
    return f"continued: the chance to end as the best of {count} configurations is {chance:.2g}"


def _limit(spec: StudySpec) -> int | None:
    """Return how many configurations the study may have; None without a limit."""
    return integer(spec, INITIAL_TRIALS, 1, 1, MAX_TRIALS) if INITIAL_TRIALS in spec.algorithm_options else None


def _half_of_the_budget(spec: StudySpec) -> float:
    """Return how many configurations are enough for the study's budget: the other trials continue the best of them."""
    budget = spec.stopping.max_num_trials
    return math.inf if budget is None else budget / 2
