"""Successive halving: all trials train a little, then the best continue.

Jamieson and Talwalkar, "Non-stochastic Best Arm Identification and Hyperparameter Optimization" (2016). With two rungs,
the default, it is the method of Egele et al., "Is One Epoch All You Need For Multi-Fidelity Hyperparameter
Optimization?" (2023): one epoch for all, then the best to the end.
"""

from __future__ import annotations

import bisect
from collections.abc import Sequence

from dodona_server.algorithms.contract.algorithm import Algorithm, Request, Suggestions, Traits
from dodona_server.algorithms.contract.options import check_names, integer
from dodona_server.algorithms.multi_fidelity.brackets import Rung, suggest_in
from dodona_server.algorithms.multi_fidelity.fidelity import MAX_EPOCHS, OPTIONS, Fidelity, fidelity_of
from dodona_server.algorithms.multi_fidelity.sampler import SAMPLER, sampler_of
from dodona_server.algorithms.multi_fidelity.trials import Rungs
from dodona_server.domain.studies.study import StudySpec

DEFAULT_TRIALS = 100
MAX_TRIALS = 1_000_000
DEFAULT_FACTOR = 5
DEFAULT_RUNGS = 2
MAX_RUNGS = 100


class SuccessiveHalving(Algorithm):
    """Suggests the points of the first rung, then promotions.

    A trial is promoted as soon as it is certain to be among the best of its rung. A worker that would wait for others
    gets the best trial so far instead, as long as the next rung has a place.
    """

    # A trial outside the rungs would have no resource.
    traits = Traits(fallback=None)

    def check(self, spec: StudySpec) -> None:
        """See `Algorithm.check`."""
        check_names(spec, ("initial_trials", "rungs", "reduction_factor", *OPTIONS, SAMPLER))
        rungs_of(spec, fidelity_of(spec, spec.space))
        sampler_of(spec)

    def suggest(self, request: Request) -> Suggestions:
        """Return the next `count` points, each with its budget; see `Algorithm.suggest`."""
        spec = request.problem.spec
        fidelity = fidelity_of(spec, request.problem.whole or spec.space)
        rungs = Rungs(request, fidelity, sampler_of(spec))
        return suggest_in([rungs_of(spec, fidelity)], rungs, request.count, 1)


def rungs_of(spec: StudySpec, fidelity: Fidelity) -> Sequence[Rung]:
    """Return the sizes and resources of the study's rungs.

    Raises:
        InvalidArgument: an option is out of range.
    """
    factor = integer(spec, "reduction_factor", DEFAULT_FACTOR, 2, MAX_EPOCHS)
    count = integer(spec, "rungs", DEFAULT_RUNGS, 0, MAX_RUNGS)
    if count == 0:
        resources = fidelity.growing(factor)
    else:
        # Evenly spaced on a logarithmic scale, from the last one down.
        ratio = fidelity.most / fidelity.least
        resources = fidelity.distinct(fidelity.most / ratio ** (step / max(count - 1, 1)) for step in range(count))

    def sizes(first: int) -> list[int]:
        return [max(1, first // factor**number) for number in range(len(resources))]

    budget = spec.stopping.max_num_trials
    default = DEFAULT_TRIALS
    if budget is not None:
        # As many as leave trials for all promotions.
        most = min(budget, MAX_TRIALS)
        default = max(1, bisect.bisect_right(range(1, most + 1), budget, key=lambda first: sum(sizes(first))))
    first = integer(spec, "initial_trials", default, 1, MAX_TRIALS)
    return [Rung(size, resource) for size, resource in zip(sizes(first), resources, strict=True)]
