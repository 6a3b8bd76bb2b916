"""The search algorithms: pure functions of domain values, without SQL, HTTP or a clock.

One registry names them. Adding one is a file here and a line in `ALGORITHMS`.
"""

from __future__ import annotations

from dodona_server.algorithms.cmaes.search import CmaEs
from dodona_server.algorithms.contract.algorithm import Algorithm, Prior, Problem, Suggestions
from dodona_server.algorithms.default import Best
from dodona_server.algorithms.evolution.nsga2 import Nsga2
from dodona_server.algorithms.evolution.regularized import RegularizedEvolution
from dodona_server.algorithms.gp.algorithm import GpBandit
from dodona_server.algorithms.hyperband.search import Hyperband
from dodona_server.algorithms.simple.grid_search import GridSearch
from dodona_server.algorithms.simple.quasi_random import QuasiRandomSearch
from dodona_server.algorithms.simple.random_search import RandomSearch
from dodona_server.algorithms.skopt.search import FOREST, GBRT, GP, SkoptSearch
from dodona_server.algorithms.tpe.search import Tpe
from dodona_server.domain.errors import InvalidArgument
from dodona_server.domain.study import Study

__all__ = [
    "ALGORITHMS",
    "QUASI_RANDOM",
    "Algorithm",
    "Prior",
    "Problem",
    "Suggestions",
    "algorithm_for",
    "ends_when_exhausted",
    "needs_history",
    "stand_in",
]

ALGORITHMS: dict[str, Algorithm] = {
    "CMA_ES": CmaEs(),
    "GP_BANDIT": GpBandit(),
    "GRID_SEARCH": GridSearch(shuffled=False),
    "HYPERBAND": Hyperband(),
    "NSGA2": Nsga2(),
    "QUASI_RANDOM_SEARCH": QuasiRandomSearch(),
    "RANDOM_SEARCH": RandomSearch(),
    "REGULARIZED_EVOLUTION": RegularizedEvolution(),
    "SHUFFLED_GRID_SEARCH": GridSearch(shuffled=True),
    "SKOPT_FOREST": SkoptSearch(FOREST),
    "SKOPT_GBRT": SkoptSearch(GBRT),
    "SKOPT_GP": SkoptSearch(GP),
    "TPE": Tpe(),
    "ALGORITHM_UNSPECIFIED": Best(),
}


QUASI_RANDOM = QuasiRandomSearch()


def needs_history(study: Study) -> bool:
    """Whether the study's algorithm has to know its trials, and so is asked in a process of its own.

    That are all but the simple ones; and of those, the ones that must not repeat what no counter tells.

    Raises:
        InvalidArgument: this server does not have the algorithm.
    """
    algorithm = algorithm_for(study.spec.algorithm)
    if isinstance(algorithm, GridSearch | RandomSearch):
        return algorithm.needs_history(study)
    return not algorithm.inline


def ends_when_exhausted(study: Study) -> bool:
    """Whether the study is over when all points of a finite space have been tried, that of no parameters among them."""
    return isinstance(algorithm_for(study.spec.algorithm), GridSearch | RandomSearch)


def stand_in(name: str) -> Algorithm | None:
    """What suggests in the place of an algorithm that fails or takes too long; None if nothing can."""
    # A trial without a place in a bracket would be trained by no rule.
    return None if name == "HYPERBAND" else QUASI_RANDOM


def algorithm_for(name: str) -> Algorithm:
    """The algorithm that a study's spec names.

    Raises:
        InvalidArgument: this server has none of that name; the message lists those it has.
    """
    try:
        return ALGORITHMS[name]
    except KeyError:
        available = ", ".join(sorted(ALGORITHMS))
        raise InvalidArgument(f"{name} is not available; available are {available}", "algorithm") from None
