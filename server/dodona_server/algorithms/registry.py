"""The registry of the search algorithms.

To add an algorithm, add a package beside this module, a line in `ALGORITHMS`, and its name in the schema of a study.
"""

from __future__ import annotations

from dodona_server.algorithms.cmaes.search import CmaEs
from dodona_server.algorithms.contract.algorithm import Algorithm, Prior, Problem, Suggestions
from dodona_server.algorithms.default import DefaultAlgorithm
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
    "fallback_for",
    "needs_history",
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
    "ALGORITHM_UNSPECIFIED": DefaultAlgorithm(),
}


QUASI_RANDOM = QuasiRandomSearch()


def needs_history(study: Study) -> bool:
    """Return whether the study's algorithm needs its trials, and so runs in a process.

    All but the simple algorithms do. A simple one does if only the trials say which points it must not repeat.

    Raises:
        InvalidArgument: this server does not have the algorithm.
    """
    algorithm = algorithm_for(study.spec.algorithm)
    if isinstance(algorithm, GridSearch | RandomSearch):
        return algorithm.needs_history(study)
    return not algorithm.inline


def ends_when_exhausted(study: Study) -> bool:
    """Return whether the study ends when all points of a finite space, or of an empty one, have been tried."""
    return isinstance(algorithm_for(study.spec.algorithm), GridSearch | RandomSearch)


def fallback_for(name: str) -> Algorithm | None:
    """Return the algorithm that replaces one that fails or takes too long; None if none can."""
    # A trial outside the brackets would have no number of epochs.
    return None if name == "HYPERBAND" else QUASI_RANDOM


def algorithm_for(name: str) -> Algorithm:
    """Return the algorithm of that name.

    Raises:
        InvalidArgument: this server has none of that name; the message lists those it has.
    """
    try:
        return ALGORITHMS[name]
    except KeyError:
        available = ", ".join(sorted(ALGORITHMS))
        raise InvalidArgument(f"{name} is not available; available are {available}", "algorithm") from None
